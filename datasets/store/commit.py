"""How a batch becomes part of a store: written aside, read back, synced, and published in one step."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import DatasetError
from ..files import (
    as_json,
    digest_of,
    in_background,
    json_bytes,
    named_errors,
    sync,
    temporary_beside,
)
from ..records.batch import Batch
from ..records.episode import Episode
from ..records.rows import EpisodeRow, content_digest, counts
from .backend import BATCHES, MANIFEST, Backend
from .tables import EPISODES, STEPS, episodes_table, write_table

Describe = Callable[[], tuple[Batch, pa.RecordBatch]]
"""Makes a batch's manifest, as `describe_batch` does, and what `episodes.arrow` shall hold."""


def draft_batch(
    batch_id: str,
    source: str,
    round: int | None,
    origin: Mapping[str, Any],
    schema: str,
    episodes: Sequence[Episode],
) -> Batch:
    """The manifest of a batch that is not committed yet: without digests and time.

    Raises DatasetError where such a batch cannot be.
    """
    return Batch(
        id=batch_id,
        source=source,
        round=round,
        **counts(episodes),
        digests={},
        digest="",
        schema=schema,
        origin=as_json(f"batch {batch_id}: origin", dict(origin)),
        committed="",
    )


def describe_batch(
    draft: Batch, episodes: Sequence[Episode], rows: Future[tuple[EpisodeRow, ...]]
) -> tuple[Batch, pa.RecordBatch]:
    """The draft with the digest of its content, and `episodes.arrow`; waits for the episodes' rows.

    Raises DatasetError where seed or info of an episode cannot be kept.
    """
    discounts = [episode.discount for episode in episodes]
    digest = content_digest(draft.schema, draft.source, draft.round, rows.result(), discounts)
    return replace(draft, digest=digest), episodes_table(rows.result())


def commit(backend: Backend, batch_id: str, steps: pa.RecordBatch, describe: Describe) -> Batch:
    """Make a whole, synced batch of `steps`, its `steps.arrow`, unless another writer has done so meanwhile.

    `describe` is called while the disk takes the steps. Returns the manifest, as this writer made it. Raises
    DatasetError, leaving nothing behind, where the disk refuses or does not give back what was written.
    The caller syncs the parent folder.
    """
    target = backend.folder / BATCHES / batch_id
    with temporary_beside(target) as aside:
        try:
            with named_errors(target, "written"):
                aside.mkdir()
                batch = _write(aside, steps, describe)
                backend.publish(aside, batch)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return batch


def _write(aside: Path, steps: pa.RecordBatch, describe: Describe) -> Batch:
    """Write the folder's files. Each begins to be synced at once: a journal commits once for all who wait."""
    digests = {STEPS: write_table(aside / STEPS, steps)}
    synced = [in_background(sync, aside / STEPS)]
    draft, episodes = describe()
    digests[EPISODES] = write_table(aside / EPISODES, episodes)
    synced.append(in_background(sync, aside / EPISODES))
    for name, digest in digests.items():
        if digest_of(aside / name) != digest:
            raise DatasetError(f"{aside / name} does not read back as it was written")
    batch = _dated(draft, digests)
    (aside / MANIFEST).write_bytes(json_bytes(MANIFEST, batch))
    synced += [in_background(sync, path) for path in (aside / MANIFEST, aside)]
    for one in synced:
        one.result()
    return batch


def _dated(draft: Batch, digests: Mapping[str, str]) -> Batch:
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    return replace(draft, digests=digests, committed=now)
