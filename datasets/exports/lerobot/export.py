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
from ...files import named_errors, read_json, write_json_atomically
from ...records.schema import Field
from ...store.store import EpisodeStore
from ..parquet import fact_columns, steps_table, write_table
from ..update import Callback, Exported, Job, Update, updating
from .frames import frame_fields, read_batch
from .meta import CHUNK, DATA_PATH, EPISODES_PATH, Total, info_json, tasks_table


def export_lerobot(
    store: EpisodeStore, folder: Path, *, excluded: Collection[str] = (), callback: Callback | None = None
) -> Exported:
    """Bring the LeRobot v3.0 dataset in `folder` up to date with `store`.

    Adds two files for each new batch and touches no other batch's. Episodes without an action have no
    frame and are left out. Raises DatasetError where the folder holds something else, where episodes
    it holds are excluded now, or the disk refuses.

    `updating` describes the arguments.
    """
    fields = frame_fields(store.schema)
    with updating(store, folder, "lerobot", excluded, callback) as update:
        if changed := next((job.batch.id for job in update.jobs if job.replaced), None):
            raise DatasetError(
                f"{folder} holds batch {changed} with other exclusions, or its file was changed; "
                "LeRobot numbers episodes without gaps, so export into another folder"
            )
        _remove_uncounted(update)
        total = _catch_up(update, fields)
        for job in update.jobs:
            total = _export(update, total, job, fields)
            if total.episodes:
                _write_meta(update, total, fields)
    return update.result(
        "from lerobot.datasets.lerobot_dataset import LeRobotDataset",
        f"frames = LeRobotDataset({'local/' + folder.name!r}, root={str(folder)!r})",
    )


def _remove_uncounted(update: Update) -> None:
    """Remove the files that a killed export wrote and did not count: LeRobot reads all that are there."""
    for template in (EPISODES_PATH, DATA_PATH):
        with named_errors(update.folder, "cleaned"):
            _path(update, template, _files(update)).unlink(missing_ok=True)


def _catch_up(update: Update, fields: Mapping[str, Field]) -> Total:
    """What is there already. Where a kill came before `meta` said so, it is written now."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    meta = update.folder / "meta"
    try:
        with named_errors(meta, "read"):
            total = Total()
            if (meta / "info.json").exists():
                tasks = pq.read_table(meta / "tasks.parquet").column("task").to_pylist()
                total = Total.from_json(read_json(meta / "info.json"), tasks, read_json(meta / "stats.json"))
            if total.episodes == update.ledger.episodes:
                return total
            total = Total()
            for number in range(_files(update)):
                total = total.with_table(pq.read_table(_path(update, EPISODES_PATH, number)))
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{meta} is not as it was exported ({error}); name another folder") from None
    _write_meta(update, total, fields)
    return total


def _write_meta(update: Update, total: Total, fields: Mapping[str, Field]) -> None:
    """Replace what LeRobot reads first. Last of all `info.json`, which counts the episodes."""
    meta, control_hz = update.folder / "meta", update.store.schema.control_hz
    write_table(meta / "tasks.parquet", tasks_table(total.tasks))
    write_json_atomically(meta / "stats.json", total.statistics)
    write_json_atomically(meta / "info.json", info_json(control_hz, total, fields))


def _export(update: Update, total: Total, job: Job, fields: Mapping[str, Field]) -> Total:
    """Write the two files of a batch; the total with it."""
    import pyarrow as pa

    number = _files(update)
    frames, rows, total = read_batch(update, job, total, number)
    path = _path(update, DATA_PATH, number)
    if rows:
        write_table(path, steps_table(frames, fields))
        write_table(_path(update, EPISODES_PATH, number), pa.table(fact_columns(rows)))
    update.count(job, path, len(rows))
    return total


def _files(update: Update) -> int:
    """How many data files count, and so the number of the next one."""
    return sum(bool(shard.file) for shard in update.ledger.shards)


def _path(update: Update, template: str, number: int) -> Path:
    chunk, file = divmod(number, CHUNK)
    return update.folder / template.format(chunk_index=chunk, file_index=file)
