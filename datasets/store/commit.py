"""How a batch becomes part of a store: written aside, read back, synced, and published in one step."""

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from ..errors import DatasetError
from ..files import digest_of, in_background, json_bytes, named_errors, sync, temporary_beside
from ..records.batch import Batch
from ..records.rows import EpisodeRow, content_digest
from .backend import BATCHES, CONTENTS, MANIFEST, Backend, manifest_key, now_after
from .tables import EPISODES, STEPS, episodes_table, write_table

Rows = Future[list[EpisodeRow]]


def commit(backend: Backend, draft: Batch, steps: pa.RecordBatch, rows: Rows) -> Batch:
    """Make a whole, synced batch of `steps`, its `steps.arrow`, unless another writer has done so meanwhile.

    `draft` is the manifest but for the digests, and its time will be a later one; `rows` are waited for while
    the disk takes the steps. Returns the manifest, as this writer made it. Raises DatasetError, leaving
    nothing behind, where seed or info of an episode cannot be kept, another batch has this content, or the
    disk refuses or does not give back what was written. The caller syncs the parent folder.
    """
    target = backend.folder / BATCHES / draft.id
    with named_errors(target, "written"), temporary_beside(target, folder=True) as aside:
        batch = _write(aside, draft, steps, rows)
        _refuse_twin(backend, batch)
        backend.publish(aside, batch)
    return batch


def _refuse_twin(backend: Backend, batch: Batch) -> None:
    """Raise DatasetError where this content is committed under another id; looks at no other batches."""
    key = f"{CONTENTS}/{batch.content}"
    # Not worth a wait for the disk: after a power cut `verify` still finds the twin.
    if not backend.create(key, batch.id.encode(), synced=False):
        (raw,) = backend.read([key])
        first = (raw or b"").decode(errors="replace")
        if first not in ("", batch.id) and backend.read([manifest_key(first)]) != [None]:
            raise DatasetError(f"batch {batch.id} holds the same episodes as {first}, and would count twice")


def _write(aside: Path, draft: Batch, steps: pa.RecordBatch, rows: Rows) -> Batch:
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
    synced += [in_background(sync, path) for path in (aside / MANIFEST, aside)]
    for one in synced:
        one.result()
    return batch
