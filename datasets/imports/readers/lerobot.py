"""LeRobot v3: a folder with Parquet for numbers and images, MP4 for cameras, many episodes a file.

    meta/info.json                                    codebase_version, fps, features
    meta/episodes/chunk-*/file-*.parquet              an episode a row: length, tasks, where its video is
    data/chunk-*/file-*.parquet                       a frame a row, episode after episode
    videos/<camera>/chunk-*/file-*.mp4                frames of many episodes

A frame holds one observation and one action, so an episode has T of each: the last observation is
repeated, and `info` says so. `observation.images.front` is called `images/front` here. `next.reward`
is the reward, `next.done` says whether the episode ended, `next.success` gives the score.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError
from ...files import read_json
from .raw import (
    RawEpisode,
    Unreadable,
    Wants,
    attempt,
    decode_images,
    flat_name,
    natural,
    whole_file,
    with_last,
)
from .video import frames

ROWS = 1024
"""Frames of a Parquet file in memory at once, beside those of one episode."""


@dataclass(frozen=True)
class _Dataset:
    """What all episodes share: the folder, the features by their names there, and the frame rate."""

    folder: Path
    features: Mapping[str, Mapping[str, Any]]
    fps: float


def episodes(path: Path, wants: Wants) -> Iterator[RawEpisode | Unreadable]:
    """The episodes in the order of their numbers.

    Raises DatasetError where the folder is of another version, or holds fewer episodes than it counts.
    """
    dataset, total = _open(path)
    rows = _rows(dataset, wants)
    found = 0
    for told in _told(path):
        number = int(told["episode_index"])
        index, table = next(rows, (None, None))
        if index != number:
            raise DatasetError(
                f"{path} has no frames of episode {number} where they must be: it was cut short"
            )
        found += 1
        where = f"{path.name}, episode {number}"
        yield attempt(where, lambda d=told, t=table, w=where: _episode(dataset, d, t, w, wants))
    if found != total:
        raise DatasetError(f"{path} counts {total} episodes, but holds {found}: it was cut short")


def _open(path: Path) -> tuple[_Dataset, int]:
    info = read_json(path / "meta" / "info.json")
    with whole_file(path / "meta" / "info.json", "LeRobot's description"):
        version, fps, total = str(info["codebase_version"]), float(info["fps"]), int(info["total_episodes"])
        features = {str(name): dict(feature) for name, feature in info["features"].items()}
    if not version.startswith("v3"):
        raise DatasetError(
            f"{path} is LeRobot {version}, but only v3 is read: convert it with LeRobot's own script"
        )
    return _Dataset(path, features, fps), total


def _files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("chunk-*/file-*.parquet"), key=lambda file: natural(str(file)))
    if not files:
        raise DatasetError(f"{folder} has no chunk-*/file-*.parquet")
    return files


def _told(path: Path) -> Iterator[dict[str, Any]]:
    """What `meta/episodes` says of each episode, without its statistics."""
    for file, batch in _batches(
        _files(path / "meta" / "episodes"), lambda name: not name.startswith("stats/")
    ):
        if not {"episode_index", "length"} <= set(batch.schema.names):
            raise DatasetError(f"{file} must have the columns episode_index and length")
        yield from batch.to_pylist()


def _batches(files: list[Path], keep: Any) -> Iterator[tuple[Path, Any]]:
    import pyarrow.parquet as pq

    for file in files:
        with whole_file(file, "Parquet"), pq.ParquetFile(file) as parquet:
            names = [name for name in parquet.schema_arrow.names if keep(name)]
            for batch in parquet.iter_batches(ROWS, columns=names):
                batch.validate(full=True)
                yield file, batch


def _rows(dataset: _Dataset, wants: Wants) -> Iterator[tuple[int, Any]]:
    """The frames of one episode after the other, as a table; None in its place where it is too large."""
    import pyarrow as pa

    names = {name for name, feature in dataset.features.items() if _wanted(name, feature, wants)}
    number, parts, size = None, [], 0
    for file, batch in _batches(_files(dataset.folder / "data"), lambda name: name in names):
        if "episode_index" not in batch.schema.names:
            raise DatasetError(f"{file} has no column episode_index")
        column = batch.column("episode_index").to_numpy(zero_copy_only=False)
        cuts = [0, *(np.flatnonzero(np.diff(column)) + 1).tolist(), len(column)] if len(column) else [0]
        for start, end in pairwise(cuts):
            if number is not None and column[start] != number:
                yield number, pa.Table.from_batches(parts) if parts else None
                parts, size = [], 0
            number, piece = int(column[start]), batch.slice(start, end - start)
            size += piece.nbytes
            parts = [*parts, piece] if size <= wants.limit_bytes and (parts or size == piece.nbytes) else []
    if number is not None:
        yield number, pa.Table.from_batches(parts) if parts else None


def _wanted(name: str, feature: Mapping[str, Any], wants: Wants) -> bool:
    if feature.get("dtype") == "video":
        return False
    if name.startswith("observation"):
        return wants.reads(flat_name(name))
    known = ("action", "episode_index", "frame_index", "next.reward", "next.done", "next.success")
    return name in known or wants.reads_column(flat_name(name))


def _episode(dataset: _Dataset, told: Mapping[str, Any], table: Any, where: str, wants: Wants) -> RawEpisode:
    if table is None:
        raise DatasetError(
            f"frames claim more than the {wants.limit_bytes / 2**20:.0f} MiB an episode may take"
        )
    if table.num_rows != told["length"]:
        raise DatasetError(f"counts {told['length']} frames, but holds {table.num_rows}")
    columns = {name: _column(dataset, table, name, wants) for name in table.column_names}
    if "frame_index" in columns and not np.array_equal(
        columns["frame_index"].reshape(-1), np.arange(len(table))
    ):
        raise DatasetError("frame_index does not count from 0 by one: frames are missing or out of order")
    observed = {name: flat_name(name) for name in dataset.features if name.startswith("observation")}
    observation = {}
    for name, flat in observed.items():
        if wants.reads(flat):
            feature = dataset.features[name]
            is_video = feature.get("dtype") == "video"
            values = _video(dataset, told, name, table.num_rows, wants) if is_video else columns.get(name)
            if values is None:
                raise DatasetError(f"data has no column {name}")
            observation[flat] = with_last(values, table.num_rows, name)[0]
    success, done = columns.get("next.success"), columns.get("next.done")
    rest = set(columns) - set(observed) - {"action"}
    tasks = told.get("tasks")
    return RawEpisode(
        where=where,
        observation=observation,
        action=columns.get("action"),
        reward=None if "next.reward" not in columns else columns["next.reward"].reshape(-1),
        terminal=None if done is None or not len(done) else bool(done.reshape(-1)[-1]),
        score=None if success is None or not len(success) else float(success.max()),
        instruction=str(tasks[0]) if isinstance(tasks, list) and tasks else "",
        control_hz=dataset.fps,
        columns={flat_name(name): columns[name] for name in rest if wants.reads_column(flat_name(name))},
        unread=tuple(flat for flat in observed.values() if not wants.reads(flat)),
        info={"episode": int(told["episode_index"]), "last_observation": "repeated"},
    )


def _column(dataset: _Dataset, table: Any, name: str, wants: Wants) -> np.ndarray:
    """A column as `[T, ...]`, of the shape that `info.json` gives it."""
    import pyarrow as pa

    column = table.column(name).combine_chunks()
    feature = dataset.features[name]
    if feature.get("dtype") == "image":
        data = [frame["bytes"] if isinstance(frame, dict) else frame for frame in column.to_pylist()]
        if any(not isinstance(frame, bytes) for frame in data):
            raise DatasetError(f"{name} names image files, but only images within the Parquet file are read")
        return decode_images(data, wants, name)
    while pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
        if column.null_count:
            raise DatasetError(f"{name} has frames without a value")
        column = column.flatten()
    values = column.to_numpy(zero_copy_only=False)
    shape = tuple(int(n) for n in feature.get("shape") or ())
    wants.check_size(name, (table.num_rows, *shape), values.dtype)
    return (
        values.reshape(table.num_rows, *shape)
        if values.size != table.num_rows
        else values.reshape(-1, *shape)
    )


def _video(dataset: _Dataset, told: Mapping[str, Any], name: str, count: int, wants: Wants) -> np.ndarray:
    keys = [f"videos/{name}/{key}" for key in ("chunk_index", "file_index", "from_timestamp")]
    if any(told.get(key) is None for key in keys):
        raise DatasetError(f"meta/episodes does not say where the video of {name} is")
    chunk, index, start_sec = int(told[keys[0]]), int(told[keys[1]]), float(told[keys[2]])
    if "/" in name or ".." in name:
        raise DatasetError(f"{name!r} cannot be the name of a camera")
    path = dataset.folder / "videos" / name / f"chunk-{chunk:03d}" / f"file-{index:03d}.mp4"
    return frames(path, start_sec=start_sec, count=count, fps=dataset.fps, wants=wants)


def count(path: Path) -> int:
    """How many episodes the description counts."""
    return _open(path)[1]
