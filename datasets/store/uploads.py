"""The data files of attempts to append a batch to a bucket, and those that a dead writer has left there.

An upload is named by its manifest's digest, so every attempt writes to keys of its own, and a manifest names
the files it commits.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from ..files import fingerprint, is_temporary, named_errors, writer_is_dead
from ..objects import Bucket
from .backend import BATCHES, MANIFEST, manifest_key

Listing = Mapping[str, Mapping[str, datetime]]
"""Of each batch id, the keys that a bucket has below it, each with the time it was written."""


def list_batches(bucket: Bucket) -> Listing:
    """What the bucket has of each batch, committed or not."""
    listing: dict[str, dict[str, datetime]] = {}
    for key, time in bucket.list(BATCHES).items():
        parts = key.split("/", 2)
        if len(parts) == 3:
            listing.setdefault(parts[1], {})[parts[2]] = time
    return listing


def upload_name(manifest: bytes) -> str:
    """The name under which the files that a manifest commits are uploaded."""
    return fingerprint(manifest)[:16]


def unreferenced(bucket: Bucket, listing: Listing) -> list[tuple[str, str]]:
    """Batch id and name of the uploads that no manifest commits."""
    pairs = []
    for batch_id, keys in listing.items():
        uploads = {key.partition("/")[0] for key in keys if "/" in key}
        if len(uploads) + (MANIFEST not in keys) > 1:
            raw = bucket.read(manifest_key(batch_id))  # now: it may have been committed since it was listed
            uploads -= {upload_name(raw)} if raw is not None else set()
            pairs += [(batch_id, upload) for upload in sorted(uploads)]
    return pairs


def dead_uploads(folder: Path) -> set[tuple[str, str]]:
    """Uploads of writers that worked in this cache and are dead, by what they wrote aside in `folder`."""
    pairs = set()
    with named_errors(folder, "listed"):
        for aside in folder.glob(".*.tmp"):
            if is_temporary(aside.name) and writer_is_dead(aside.name) and (aside / MANIFEST).exists():
                batch_id = aside.name.removeprefix(".").rsplit(".", 3)[0]
                pairs.add((batch_id, upload_name((aside / MANIFEST).read_bytes())))
    return pairs
