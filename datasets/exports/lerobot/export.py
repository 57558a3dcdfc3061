"""LeRobot's dataset layout, v3.0: one data file and one file of episode metadata a batch.

    <folder>/data/chunk-000/file-007.parquet            one row a frame
    <folder>/meta/episodes/chunk-000/file-007.parquet   one row an episode: its frames, its statistics
    <folder>/meta/tasks.parquet, stats.json, info.json  all episodes together

A frame is an observation and the action that followed: the last observation of an episode has no action,
and so no place in LeRobot. `reward` and the like are those after the action, called `next.*`. Pictures are
embedded as PNG files, which loses nothing; there are no videos. Episodes are numbered without gaps, so
episodes that were exported cannot be taken out again.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from ...errors import DatasetError
from ...files import named_errors, read_json, replacing, write_json_atomically
from ...records.schema import Field
from ...store.store import EpisodeStore
from ..folder import held
from ..jobs import Exported, Job, Tick, Told, jobs, nobody, ticker
from ..ledger import Ledger, begin, read_ledger, write_ledger
from ..parquet import write_table
from .frames import batch_tables, frame_fields
from .meta import CHUNK, DATA_PATH, EPISODES_PATH, Total, info_json, tasks_table


def export_lerobot(
    store: EpisodeStore, folder: Path, *, excluded: Collection[str] = (), told: Told = nobody
) -> Exported:
    """Bring the LeRobot v3.0 dataset in `folder` up to date with `store`.

    Adds two files for each new batch and touches no other batch's. Episodes without an action have no
    frame and are left out. Raises DatasetError where the folder holds something else, where episodes
    it holds are excluded now, or the disk refuses.

    Args:
      store: what to export.
      folder: made where there is none.
      excluded: ids of episodes to leave out.
      told: told of each episode.
    """
    fields = frame_fields(store.schema)
    with held(folder):
        ledger = read_ledger(folder, "lerobot", store)
        wanted = jobs(folder, ledger, store, excluded)
        _refuse_changes(folder, ledger, wanted)
        begin(folder, ledger)
        _forget_uncounted(folder, ledger)
        total = _caught_up(folder, ledger, store.schema.control_hz, fields)
        tick = ticker(told, wanted)
        for job in wanted:
            ledger, total = _export(store, folder, ledger, total, job, tick)
            write_ledger(folder, ledger)
            if total.episodes:
                _tell_readers(folder, store.schema.control_hz, total, fields)
    read = (
        "from lerobot.datasets.lerobot_dataset import LeRobotDataset",
        f"frames = LeRobotDataset({'local/' + folder.name!r}, root={str(folder)!r})",
    )
    return Exported(folder, len(wanted), ledger.episodes, ledger.bytes, read)


def _refuse_changes(folder: Path, ledger: Ledger, wanted: list[Job]) -> None:
    for job in wanted:
        if ledger.of_batch(job.batch.id):
            raise DatasetError(
                f"{folder} holds batch {job.batch.id} with other exclusions, or its file was changed; "
                "LeRobot numbers episodes without gaps, so export into another folder"
            )


def _caught_up(folder: Path, ledger: Ledger, control_hz: float, fields: Mapping[str, Field]) -> Total:
    """What is there already. Where a kill came before it was told to readers, it is told now."""
    import pyarrow as pa

    meta = folder / "meta"
    try:
        with named_errors(meta, "read"):
            total = _told_total(meta)
            if total.episodes == ledger.episodes:
                return total
            total = _counted_total(folder, ledger)
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{meta} is not as it was exported ({error}); name another folder") from None
    _tell_readers(folder, control_hz, total, fields)
    return total


def _told_total(meta: Path) -> Total:
    import pyarrow.parquet as pq

    if not (meta / "info.json").exists():
        return Total()
    tasks = pq.read_table(meta / "tasks.parquet").column("task").to_pylist()
    return Total.from_json(read_json(meta / "info.json"), tasks, read_json(meta / "stats.json"))


def _counted_total(folder: Path, ledger: Ledger) -> Total:
    import pyarrow.parquet as pq

    total = Total()
    for number in range(_files(ledger)):
        total = total.with_table(pq.read_table(folder / _path(EPISODES_PATH, number)))
    return total


def _tell_readers(folder: Path, control_hz: float, total: Total, fields: Mapping[str, Field]) -> None:
    """Replace what LeRobot reads first. Last of all `info.json`, which counts the episodes."""
    with replacing(folder / "meta" / "tasks.parquet", parents=True) as aside:
        write_table(aside, tasks_table(total.tasks))
    write_json_atomically(folder / "meta" / "stats.json", total.statistics)
    write_json_atomically(folder / "meta" / "info.json", info_json(control_hz, total, fields))


def _export(
    store: EpisodeStore, folder: Path, ledger: Ledger, total: Total, job: Job, tick: Tick
) -> tuple[Ledger, Total]:
    number = _files(ledger)
    frames, rows, after = batch_tables(store, job, total, divmod(number, CHUNK), tick)
    if not rows.num_rows:
        return ledger.added(job.done("", 0, 0)), total
    path = folder / _path(DATA_PATH, number)
    for target, table in ((path, frames), (folder / _path(EPISODES_PATH, number), rows)):
        with replacing(target, parents=True) as aside:
            write_table(aside, table)
    return ledger.added(job.done(_path(DATA_PATH, number), rows.num_rows, path.stat().st_size)), after


def _forget_uncounted(folder: Path, ledger: Ledger) -> None:
    """Remove the files that a killed export wrote and did not count: LeRobot reads all that are there."""
    for template in (EPISODES_PATH, DATA_PATH):
        with named_errors(folder, "cleaned"):
            (folder / _path(template, _files(ledger))).unlink(missing_ok=True)


def _files(ledger: Ledger) -> int:
    return sum(bool(shard.file) for shard in ledger.shards)


def _path(template: str, number: int) -> str:
    chunk, file = divmod(number, CHUNK)
    return template.format(chunk_index=chunk, file_index=file)
