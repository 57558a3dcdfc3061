"""How a batch becomes part of a store: written aside, read back, synced, and published in one step."""

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from ..errors import DatasetError, TwinError
from ..files import (
    canonical,
    digest_of,
    fingerprint,
    in_background,
    json_bytes,
    named_errors,
    parse_json,
    sync,
    temporary_beside,
)
from ..records.batch import Batch
from ..records.rows import EpisodeRow, content_digest
from .backend import BATCHES, CONTENTS, MANIFEST, Backend, manifest_key, now_after, parse_manifest
from .tables import EPISODES, STEPS, episodes_table, write_table

Rows = Future[list[EpisodeRow]]


def commit(backend: Backend, draft: Batch, steps: pa.RecordBatch, rows: Rows) -> Batch:
    """Make a whole, synced batch of `steps`, its `steps.arrow`, unless another writer has done so meanwhile.

    `draft` is the manifest but for digests, and its time will be a later one; `rows` are waited for while the
    disk takes the steps. Returns the manifest, as this writer made it; where another writer has claimed this
    content, and not committed it yet, nothing is committed, and id and origin are those of the claim. Raises
    DatasetError, leaving nothing behind, where a fact of an episode cannot be kept, another batch has
    this content, or the disk refuses or does not give back what was written. The caller syncs the parent
    folder.
    """
    target = backend.folder / BATCHES / draft.id
    with named_errors(target, "written"), temporary_beside(target, folder=True) as aside:
        batch = _write(backend, aside, draft, steps, rows)
        claimed = _claim(backend, batch)
        if claimed.id == batch.id:
            backend.publish(aside, batch)
    return claimed


def _claim(backend: Backend, batch: Batch) -> Batch:
    """The batch with the id and the origin under which its content is to be committed: those claimed first.

    Whoever has this content commits it under no other id. So there are no two batches of it, whoever is
    killed, and whenever. Looks at no other batches. Raises DatasetError where it is committed already.
    """
    key, origin = f"{CONTENTS}/{batch.content}", canonical("origin", batch.origin)
    # Not worth a wait for the disk: after a power cut `verify` still finds the twin.
    while not backend.create(key, f"{batch.id}\n{origin}".encode(), synced=False):
        if first := _claimed(backend, key, batch):
            return first
        key = f"{CONTENTS}/{fingerprint(key)[:32]}"
    return batch


def _claimed(backend: Backend, key: str, batch: Batch) -> Batch | None:
    """The batch as it was claimed first; None where that is void.

    It is where a batch of its id came to hold something else, or a power cut took its words. Raises
    TwinError where the content is committed under another id.
    """
    name, _, origin = (backend.read([key])[0] or b"").partition(b"\n")
    try:
        first = replace(batch, id=name.decode(), origin=parse_json(key, origin) if origin else batch.origin)
    except (DatasetError, ValueError):
        return None
    if first.id == batch.id:
        return batch
    (manifest,) = backend.read([manifest_key(first.id)])
    if manifest is None:
        return first
    if parse_manifest(backend, first.id, manifest, batch.schema).content != batch.content:
        return None
    raise TwinError(f"batch {batch.id} holds the same episodes as {first.id}, and would count twice")


def _write(backend: Backend, aside: Path, draft: Batch, steps: pa.RecordBatch, rows: Rows) -> Batch:
    """Write the folder's files. Each begins to be synced at once: a journal commits once for all who wait."""
    digests = {STEPS: write_table(aside / STEPS, steps)}
    synced = [in_background(sync, aside / STEPS)]
    content = content_digest(draft, rows.result(), steps.column("discount").to_numpy())
    digests[EPISODES] = write_table(aside / EPISODES, episodes_table(rows.result()))
    synced.append(in_background(sync, aside / EPISODES))
    for name, digest in digests.items():
        if digest_of(aside / name) != digest:
            raise DatasetError(f"{aside / name} does not read back as it was written")
    now = now_after(draft.committed).isoformat(timespec="microseconds")
    batch = replace(draft, digest=content, digests=digests, committed=now)
    (aside / MANIFEST).write_bytes(json_bytes(MANIFEST, batch))
    if backend.local:
        synced += [in_background(sync, path) for path in (aside / MANIFEST, aside)]
    for one in synced:
        one.result()
    return batch
