"""How a batch becomes part of the store: written aside, read back, synced, renamed."""

import errno
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import DatasetError
from ..files import digest_of, in_background, named_errors, plain, sync, temporary_beside
from ..records.batch import MANIFEST, Batch
from ..records.rows import EpisodeRow
from .tables import EPISODES, STEPS, write_table

Described = Callable[[], tuple[Batch, pa.RecordBatch]]
"""Makes the draft of a batch's manifest, and what its `episodes.arrow` shall hold."""


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
    steps: pa.RecordBatch,
    described: Described,
    publish: Callable[[Path, Path], None] | None = None,
) -> Batch:
    """Make `target` a whole, synced batch folder, unless another writer has done so meanwhile.

    One rename is the commit, or what `publish` makes of the folder written aside and `target`. Raises
    DatasetError, leaving nothing behind, where the disk refuses or does not give back what was written.
    The caller syncs the parent folder.

    Args:
      target: the folder.
      steps: what `steps.arrow` shall hold.
      described: gives the manifest's draft and what `episodes.arrow` shall hold. It is called while the disk
        takes the steps.
      publish: as above.

    Returns the draft.
    """
    with temporary_beside(target) as aside:
        try:
            with named_errors(target, "written"):
                aside.mkdir()
                draft = _write(aside, steps, described)
                (publish or _rename)(aside, target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return draft


def _write(aside: Path, steps: pa.RecordBatch, described: Described) -> Batch:
    """Write the folder's files. Each begins to be synced at once: a journal commits once for all who wait."""
    digests = {STEPS: write_table(aside / STEPS, steps)}
    synced = [in_background(sync, aside / STEPS)]
    draft, episodes = described()
    digests[EPISODES] = write_table(aside / EPISODES, episodes)
    synced.append(in_background(sync, aside / EPISODES))
    for name, digest in digests.items():
        if digest_of(aside / name) != digest:
            raise DatasetError(f"{aside / name} does not read back as it was written")
    (aside / MANIFEST).write_bytes(_manifest(draft, digests))
    synced += [in_background(sync, path) for path in (aside / MANIFEST, aside)]
    for one in synced:
        one.result()
    return draft


def _manifest(draft: Batch, digests: Mapping[str, str]) -> bytes:
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    batch = replace(draft, digests=digests, committed=now)
    try:
        text = json.dumps(batch.to_json(), indent=2, allow_nan=False, default=plain)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"batch {draft.id}: origin is not JSON ({error})") from None
    return text.encode() + b"\n"


def _rename(aside: Path, target: Path) -> None:
    try:
        aside.rename(target)
    except OSError as error:
        # A folder of that name is another writer's commit: theirs counts, and it is as whole as ours.
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
