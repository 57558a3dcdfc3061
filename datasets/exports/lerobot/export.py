"""LeRobot's dataset layout, v3.0: one data file and one file of episode metadata a batch.

    <folder>/data/chunk-000/file-007.parquet            one row a frame
    <folder>/meta/episodes/chunk-000/file-007.parquet   one row an episode: its frames, its statistics
    <folder>/meta/tasks.parquet, stats.json, info.json  all episodes together

A frame is an observation and the action that followed: the last observation of an episode has no action,
and so no frame; pacloop keeps it beside the episode's metadata. `reward` and the like are those after the
action, called `next.*`. Pictures are embedded as PNG files, which loses nothing; there are no videos.
Episodes are numbered without gaps, so episodes that were exported cannot be taken out again.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from ...errors import DatasetError
from ...files import json_bytes, named_errors
from ...imports.readers.lerobot_files import LAST
from ...records.schema import Field
from ...store.store import EpisodeStore
from ..parquet import fact_columns, steps_table, write_table
from ..steps import facts
from ..update import Callback, Exported, Job, Update, updating, write_if_changed
from .frames import episode_entry, episode_frames, frame_fields, last_observation
from .meta import CHUNK, DATA_PATH, EPISODES_PATH, Total, frame_statistics, info_json, tasks_parquet


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
        if update.ledger.episodes and not update.ledger.total:
            raise DatasetError(f"{folder} was exported by a pacloop before this one; name another folder")
        _remove_uncounted(update)
        total = Total(**update.ledger.total or {})
        _write_meta(update, total, fields)  # what a killed export had still to do
        for job in update.jobs:
            total = _export(update, total, job, fields)
            _write_meta(update, total, fields)
    return update.result(
        "from lerobot.datasets.lerobot_dataset import LeRobotDataset",
        f"frames = LeRobotDataset({'local/' + folder.name!r}, root={str(folder)!r})",
    )


def _remove_uncounted(update: Update) -> None:
    """Remove the files that a killed export wrote and did not count: LeRobot reads all that are there."""
    for template in (EPISODES_PATH, DATA_PATH):
        with named_errors(update.folder, "cleaned"):
            (update.folder / template.format(**_next_place(update))).unlink(missing_ok=True)


def _write_meta(update: Update, total: Total, fields: Mapping[str, Field]) -> None:
    """Replace what does not tell the total yet. Last of all `info.json`, which counts the episodes."""
    if total.episodes:
        meta = update.folder / "meta"
        write_if_changed(meta / "tasks.parquet", tasks_parquet(total.tasks))
        write_if_changed(meta / "stats.json", json_bytes("stats.json", total.statistics))
        info = info_json(update.store.schema.control_hz, total, fields)
        write_if_changed(meta / "info.json", json_bytes("info.json", info))


def _export(update: Update, total: Total, job: Job, fields: Mapping[str, Field]) -> Total:
    """Write the two files of a batch; the total with it."""
    frames, last, rows, place = [], [], [], _next_place(update)
    for row, episode in update.episodes(job):
        if episode.length:
            task = update.store.task_of(row.instruction)
            frames.append(episode_frames(episode, update.store.schema, total, task))
            last.append(last_observation(episode, update.store.schema))
            statistics = frame_statistics(frames[-1], fields)
            known = {f"pacloop/{name}": value for name, value in facts(row, job).items()}
            rows.append(episode_entry(total, task, episode.length, place, statistics) | known)
            total = total.with_episode(episode.length, task, statistics)
    path = update.folder / DATA_PATH.format(**place)
    if rows:
        write_table(path, steps_table(frames, fields))
        kept = {f"{LAST}{name}": field for name, field in fields.items()}
        entries = steps_table(last, kept, fact_columns(rows))
        write_table(update.folder / EPISODES_PATH.format(**place), entries)
    update.count(job, path, len(rows), vars(total))
    return total


def _next_place(update: Update) -> dict[str, int]:
    """The folder and the number in it of the next data file, as LeRobot calls them."""
    chunk, file = divmod(sum(bool(shard.file) for shard in update.ledger.shards), CHUNK)
    return {"chunk_index": chunk, "file_index": file}
