"""What writers and readers that died have left of a remote store: in the bucket, and in the cache."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from ..files import is_temporary, named_errors, remove_dead, writer_is_gone
from ..objects import Bucket
from ..records.batch import MANIFEST
from .store import BATCHES

Listing = Mapping[str, Mapping[str, datetime]]
"""Of each batch id, what the bucket has under it, with the time it was written."""


def listing(bucket: Bucket) -> Listing:
    """What the bucket has of each batch."""
    found: dict[str, dict[str, datetime]] = {}
    for key, when in bucket.list(BATCHES).items():
        parts = key.split("/", 2)
        if len(parts) == 3:
            found.setdefault(parts[1], {})[parts[2]] = when
    return found


def upload_name(manifest: bytes) -> str:
    """The name under which the files that a manifest commits are uploaded."""
    return hashlib.sha256(manifest).hexdigest()[:16]


def manifest_key(batch_id: str) -> str:
    """Where a batch's manifest lies."""
    return f"{BATCHES}/{batch_id}/{MANIFEST}"


def unreferenced(bucket: Bucket, listed: Listing) -> list[tuple[str, str]]:
    """Batch id and name of the uploads that no manifest commits."""
    found = []
    for batch_id, keys in listed.items():
        uploads = {key.partition("/")[0] for key in keys if "/" in key}
        if len(uploads) + (MANIFEST not in keys) > 1:
            raw = bucket.read(manifest_key(batch_id))  # now: it may have been committed since it was listed
            uploads -= {upload_name(raw)} if raw is not None else set()
            found += [(batch_id, upload) for upload in sorted(uploads)]
    return found


def dead_uploads(folder: Path) -> set[tuple[str, str]]:
    """Uploads of writers that worked in this cache and are dead, by what they wrote aside in `folder`."""
    found = set()
    with named_errors(folder, "listed"):
        for aside in folder.glob(".*.tmp"):
            if is_temporary(aside.name) and writer_is_gone(aside.name) and (aside / MANIFEST).exists():
                batch_id = aside.name.removeprefix(".").rsplit(".", 3)[0]
                found.add((batch_id, upload_name((aside / MANIFEST).read_bytes())))
    return found


def clean_fetches(folder: Path) -> list[str]:
    """Remove what dead readers had not fetched whole; the names."""
    with named_errors(folder, "listed"):
        return remove_dead(folder.glob("[!.]*/.*.tmp"))
