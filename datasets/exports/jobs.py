"""What an export has to write, and what it says it did."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ..errors import DatasetError
from ..records.batch import Batch, by_batch
from ..store.store import EpisodeStore
from .ledger import Ledger, Shard

Told = Callable[[int, int], None]
"""Called with the episodes exported so far, and of how many."""


Tick = Callable[[], None]
"""Called after each episode."""


def nobody(_done: int, _total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Exported:
    """What an export did and what there is now.

    Attributes:
      path: the folder, as its readers want it named.
      shards: batches that this call brought up to date, each a file.
      episodes: episodes in the folder now.
      bytes: size of the episodes' files now.
      read: two lines of Python that read it.
    """

    path: Path
    shards: int
    episodes: int
    bytes: int
    read: tuple[str, str]


@dataclass(frozen=True)
class Job:
    """A batch that must be written, without some of its episodes."""

    batch: Batch
    excluded: tuple[str, ...]

    @property
    def episodes(self) -> int:
        """Episodes to write."""
        return self.batch.episodes - len(self.excluded)

    def done(self, file: str, episodes: int, size: int) -> Shard:
        """The shard that this job became."""
        return Shard(self.batch.id, self.batch.digest, self.excluded, file, episodes, size)


def jobs(folder: Path, ledger: Ledger, store: EpisodeStore, excluded: Collection[str]) -> list[Job]:
    """The batches that are not in `folder` yet, or not whole, or with other exclusions, in their order.

    Raises DatasetError where the store has no batches, or the folder holds batches of another dataset.
    """
    batches = store.batches()
    if not batches:
        raise DatasetError(f"{store.place} has no episodes to export")
    known = {batch.id: batch.digest for batch in batches}
    for shard in ledger.shards:
        if shard.batch and known.get(shard.batch) != shard.digest:
            raise DatasetError(
                f"{folder} holds a batch {shard.batch} that is not {store.place}'s; name another folder"
            )
    left_out = by_batch(set(excluded))
    wanted = [Job(batch, _of(batch, left_out.get(batch.id, ()))) for batch in batches]
    current = {shard.batch: shard for shard in ledger.shards}
    return [job for job in wanted if not _is_current(folder, current.get(job.batch.id), job)]


def ticker(told: Told, wanted: Sequence[Job]) -> Tick:
    """A function to call after each episode of all jobs; it tells how many are done."""
    done, whole = count(1), sum(job.episodes for job in wanted)
    return lambda: told(next(done), whole)


def _of(batch: Batch, excluded: Collection[str]) -> tuple[str, ...]:
    """Those ids that are episodes of the batch, sorted."""
    if not excluded:
        return ()
    return tuple(sorted(set(excluded) & {f"{batch.id}/{i}" for i in range(batch.episodes)}))


def _is_current(folder: Path, shard: Shard | None, job: Job) -> bool:
    if shard is None or shard.excluded != job.excluded:
        return False
    return not shard.file or _size(folder / shard.file) == shard.bytes


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1
