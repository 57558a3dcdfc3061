"""How a batch becomes part of the store: written aside, read back, synced, renamed."""

import errno
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from .batch import MANIFEST, Batch
from .errors import DatasetError
from .files import named_errors, plain, sha256_of, sync_together, syncing, temporary_beside
from .schema import Schema
from .tables import EPISODES, STEPS, EpisodeRow, read_episodes, read_steps, write_episodes, write_steps


def draft_batch(
    batch_id: str,
    source: str,
    round: int | None,
    rows: Sequence[EpisodeRow],
    digest: str,
    schema: str,
    origin: Mapping[str, Any],
) -> Batch:
    """The manifest of a batch that is not committed yet: without file digests and time."""
    return Batch(
        id=batch_id,
        source=source,
        round=round,
        episodes=len(rows),
        steps=sum(row.length for row in rows),
        successes=sum(row.score == 1.0 for row in rows),
        score_sum=sum(row.score for row in rows),
        digests={},
        digest=digest,
        schema=schema,
        origin=dict(origin),
        committed="",
    )


def commit(
    target: Path,
    draft: Batch,
    rows: Sequence[EpisodeRow],
    columns: Mapping[str, np.ndarray],
    schema: Schema,
    publish: Callable[[Path, Path], None] | None = None,
) -> None:
    """Make `target` a whole, synced batch folder, unless another writer has done so meanwhile.

    One rename is the commit, or what `publish` makes of the folder written aside and `target`. Raises
    DatasetError, leaving nothing behind, where the disk refuses or does not give back what was written.
    The caller syncs the parent folder.
    """
    with temporary_beside(target) as aside:
        try:
            with named_errors(target, "written"):
                aside.mkdir()
                write_steps(aside / STEPS, rows, columns)
                write_episodes(aside / EPISODES, rows)
                with syncing([aside / STEPS, aside / EPISODES]):  # the disk is busy with them meanwhile
                    _read_back(aside, rows, columns, schema)
                    manifest = _manifest(draft, aside)
                (aside / MANIFEST).write_bytes(manifest)
                sync_together([aside / MANIFEST, aside])
                (publish or _rename)(aside, target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _manifest(draft: Batch, folder: Path) -> bytes:
    digests = {name: sha256_of(folder / name) for name in (STEPS, EPISODES)}
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    batch = replace(draft, digests=digests, committed=now)
    try:
        text = json.dumps(batch.to_json(), indent=2, allow_nan=False, default=plain)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"batch {draft.id}: origin is not JSON ({error})") from None
    return text.encode() + b"\n"


def _read_back(
    folder: Path, rows: Sequence[EpisodeRow], columns: Mapping[str, np.ndarray], schema: Schema
) -> None:
    if read_episodes(folder / EPISODES) != tuple(rows):
        raise DatasetError(f"{folder / EPISODES} does not read back as it was written")
    written = read_steps(folder / STEPS, schema)
    for name, column in columns.items():
        if not np.array_equal(written[name], column):
            raise DatasetError(f"{folder / STEPS}, column {name}, does not read back as it was written")


def _rename(aside: Path, target: Path) -> None:
    try:
        aside.rename(target)
    except OSError as error:
        # A folder of that name is another writer's commit: theirs counts, and it is as whole as ours.
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
