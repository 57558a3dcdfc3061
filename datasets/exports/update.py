"""An export folder that is brought up to date: who may write to it, what is missing in it, what it counts."""

import fcntl
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from ..files import named_errors, remove_dead, replacing
from ..records.batch import Batch
from ..records.episode import Episode
from ..records.rows import EpisodeRow
from ..store.store import EpisodeStore
from .ledger import LEDGER, Ledger, Shard, read_ledger, write_ledger

Callback = Callable[[int, int], None]
"""Called after each episode with how many are exported, and of how many."""


@dataclass(frozen=True)
class Exported:
    """What an export did and what its folder holds now.

    Attributes:
      path: the folder, as its readers name it.
      shards: batches that this call brought up to date, each a file.
      episodes: in the folder now.
      bytes: size of the episodes' files now.
      read: two lines of Python that read it.
    """

    path: Path
    shards: int
    episodes: int
    bytes: int
    read: tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """A batch that is to be written.

    Attributes:
      excluded: ids of its episodes that are left out, sorted.
      replaced: the shard that holds it now, with other exclusions or with a file that was changed; None
        where there is none.
    """

    batch: Batch
    excluded: tuple[str, ...]
    replaced: Shard | None

    @property
    def episodes(self) -> int:
        """Episodes to write."""
        return self.batch.episodes - len(self.excluded)


@dataclass
class Update:
    """What one export does to its folder. `updating` makes one and keeps other exports out.

    Attributes:
      ledger: what the folder holds.
      jobs: the batches that are not there yet, or not whole, or with other exclusions, in their order.
      exported: how many episodes this export has written.
    """

    store: EpisodeStore
    folder: Path
    ledger: Ledger
    jobs: list[Job]
    callback: Callback | None
    exported: int = 0

    def episodes(self, job: Job) -> Iterator[tuple[EpisodeRow, Episode]]:
        """The episodes of a job with their rows, in order. Calls back when the next one is asked for."""
        total, excluded = sum(job.episodes for job in self.jobs), set(job.excluded)
        rows = self.store.iter_rows([job.batch])
        for row, episode in zip(rows, self.store.episodes(job.batch), strict=True):
            if row.id not in excluded:
                yield row, episode
                self.exported += 1
                if self.callback:
                    self.callback(self.exported, total)

    def count(self, job: Job, path: Path, episodes: int, total: Mapping[str, Any] | None = None) -> None:
        """Enter the file at `path`, with so many episodes, into the ledger; no file where there are none."""
        facts = {"batch": job.batch.id, "digest": job.batch.digest, "excluded": job.excluded}
        if episodes:
            file = path.relative_to(self.folder).as_posix()
            facts |= {"file": file, "episodes": episodes, "bytes": path.stat().st_size}
        others = [Shard() if old.batch == job.batch.id else old for old in self.ledger.shards]
        self.ledger = replace(self.ledger, shards=(*others, Shard(**facts)), total=total)
        write_ledger(self.folder, self.ledger)

    def result(self, *read: str) -> Exported:
        """What was done; `read` are the lines that read it."""
        return Exported(self.folder, len(self.jobs), self.ledger.episodes, self.ledger.bytes, read)


def write_if_changed(path: Path, data: bytes) -> None:
    """Replace the file at `path` where it does not hold `data`; its folder is made where there is none."""
    with suppress(OSError):
        if path.read_bytes() == data:
            return
    with replacing(path, parents=True) as aside:
        aside.write_bytes(data)


@contextmanager
def updating(
    store: EpisodeStore, folder: Path, format: str, excluded: Collection[str], callback: Callback | None
) -> Iterator[Update]:
    """Keep other exports out of a folder, remove what killed ones left half-written, say what there is to do.

    Raises DatasetError where the store has no batches, another export is at work, or the folder holds
    something else: no export to `format`, or one of another dataset.

    Args:
      folder: made where there is none.
      format: `rlds`, `lerobot` or `parquet`.
      excluded: ids of episodes to leave out; those of no episode do not matter.
    """
    batches = store.batches()
    if not batches:
        raise DatasetError(f"{store.place} has no episodes to export")
    with _locked(folder):
        ledger = read_ledger(folder, format, store)
        update = Update(store, folder, ledger, _jobs(folder, ledger, store, batches, excluded), callback)
        if not (folder / LEDGER).exists():
            write_ledger(folder, ledger)
        with named_errors(folder, "listed"):
            remove_dead(folder.rglob(".*.tmp"))
        yield update


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other exports out of `folder`.

    The lock is the kernel's, on the folder itself: it ends with its holder and leaves nothing behind.
    """
    with named_errors(folder, "made"):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    wait = f"{folder} is being written by another export; wait until it is done"
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatasetError(wait) from None
        yield
    finally:
        os.close(handle)


def _jobs(
    folder: Path, ledger: Ledger, store: EpisodeStore, batches: Sequence[Batch], excluded: Collection[str]
) -> list[Job]:
    digests = {batch.id: batch.digest for batch in batches}
    for shard in ledger.shards:
        if shard.batch and digests.get(shard.batch) != shard.digest:
            raise DatasetError(
                f"{folder} holds a batch {shard.batch} that is not {store.place}'s; name another folder"
            )
    shards, jobs, ids = {shard.batch: shard for shard in ledger.shards}, [], set(excluded)
    for batch in batches:
        left_out = ids.intersection(f"{batch.id}/{number}" for number in range(batch.episodes))
        jobs.append(Job(batch, tuple(sorted(left_out)), shards.get(batch.id)))
    return [job for job in jobs if not _is_done(folder, job)]


def _is_done(folder: Path, job: Job) -> bool:
    shard = job.replaced
    if shard is None or shard.excluded != job.excluded:
        return False
    path = folder / shard.file
    return not shard.file or (path.exists() and path.stat().st_size == shard.bytes)
