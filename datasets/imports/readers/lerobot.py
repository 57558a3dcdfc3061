"""LeRobot v3: a folder with Parquet for numbers and images, MP4 for cameras, many episodes a file.

    meta/info.json                                    codebase_version, fps, features
    meta/episodes/chunk-*/file-*.parquet              an episode a row: length, tasks, where its video is
    data/chunk-*/file-*.parquet                       a frame a row, episode after episode
    videos/<camera>/chunk-*/file-*.mp4                frames of many episodes

A frame holds one observation and one action, so an episode has T of each: the last observation is
repeated, and `info` says so. `observation.images.front` is called `images/front` here. `next.reward`
is the reward, `next.done` says whether the episode ended, `next.success` gives the score.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError
from ...files import read_json
from .decode import arrow_numbers, attempt, complete, decode_images, last_number, whole_file
from .raw import RawEpisode, ReadOptions, Unreadable, flat_name, natural
from .video import frames

ROWS = 1024
"""Frames of a Parquet file in memory at once, beside those of one episode."""

KNOWN = ("action", "episode_index", "frame_index", "next.reward", "next.done", "next.success")


@dataclass(frozen=True)
class _Dataset:
    """What `info.json` says: the features by their names there, the frame rate, how many episodes."""

    folder: Path
    features: Mapping[str, Mapping[str, Any]]
    fps: float
    total: int


def episodes(path: Path, options: ReadOptions) -> Iterator[RawEpisode | Unreadable]:
    """The episodes in the order of their numbers.

    Raises DatasetError where the folder is of another version, or holds fewer episodes than it counts.
    """
    dataset = _open(path)
    tables = _tables(dataset, options)
    done = 0
    for row in _episode_rows(path):
        number = int(row["episode_index"])
        index, table = next(tables, (None, None))
        if index != number:
            raise DatasetError(
                f"{path} has no frames of episode {number} where they must be: it was cut short"
            )
        done += 1
        yield attempt(f"{path.name}, episode {number}", _episode, dataset, row, table, options)
    if done != dataset.total:
        raise DatasetError(f"{path} counts {dataset.total} episodes, but holds {done}: it was cut short")


def count(path: Path) -> int:
    """How many episodes the description counts."""
    return _open(path).total


def _open(path: Path) -> _Dataset:
    info = read_json(path / "meta" / "info.json")
    with whole_file(path / "meta" / "info.json", "LeRobot's description"):
        version, fps, total = str(info["codebase_version"]), float(info["fps"]), int(info["total_episodes"])
        features = {str(name): dict(feature) for name, feature in info["features"].items()}
    if not version.startswith("v3"):
        raise DatasetError(
            f"{path} is LeRobot {version}, but only v3 is read: convert it with LeRobot's own script"
        )
    return _Dataset(path, features, fps, total)


def _episode_rows(path: Path) -> Iterator[dict[str, Any]]:
    """What `meta/episodes` says of each episode, without its statistics."""
    for file, batch in _batches(path / "meta" / "episodes", lambda name: not name.startswith("stats/")):
        if not {"episode_index", "length"} <= set(batch.schema.names):
            raise DatasetError(f"{file} must have the columns episode_index and length")
        yield from batch.to_pylist()


def _batches(folder: Path, is_read: Callable[[str], bool]) -> Iterator[tuple[Path, Any]]:
    """Some of the columns of a folder's Parquet files, `ROWS` rows at a time."""
    import pyarrow.parquet as pq

    files = sorted(folder.glob("chunk-*/file-*.parquet"), key=lambda file: natural(str(file)))
    if not files:
        raise DatasetError(f"{folder} has no chunk-*/file-*.parquet")
    for file in files:
        with whole_file(file, "Parquet"), pq.ParquetFile(file) as parquet:
            names = [name for name in parquet.schema_arrow.names if is_read(name)]
            for batch in parquet.iter_batches(ROWS, columns=names):
                batch.validate(full=True)
                yield file, batch


def _tables(dataset: _Dataset, options: ReadOptions) -> Iterator[tuple[int, Any]]:
    """The frames of one episode after the other, as a table; None in its place where it is too large."""
    import pyarrow as pa

    names = {
        name
        for name, feature in dataset.features.items()
        if feature.get("dtype") != "video" and (name in KNOWN or flat_name(name) in options.names)
    }
    for number, pieces in groupby(_pieces(dataset.folder / "data", names), itemgetter(0)):
        parts, size = [], 0
        for _, piece in pieces:
            size += piece.nbytes
            parts = [*parts, piece] if size <= options.limit_bytes else []
        yield number, pa.Table.from_batches(parts) if parts else None


def _pieces(folder: Path, names: Collection[str]) -> Iterator[tuple[int, Any]]:
    """Frames that lie together and are of one episode, with its number."""
    for file, batch in _batches(folder, names.__contains__):
        if "episode_index" not in batch.schema.names:
            raise DatasetError(f"{file} has no column episode_index")
        column = batch.column("episode_index").to_numpy(zero_copy_only=False)
        for start, end in pairwise([0, *(np.flatnonzero(np.diff(column)) + 1).tolist(), len(column)]):
            if end > start:
                yield int(column[start]), batch.slice(start, end - start)


def _episode(
    where: str, dataset: _Dataset, row: Mapping[str, Any], table: Any, options: ReadOptions
) -> RawEpisode:
    if table is None:
        limit = f"{options.limit_bytes / 2**20:.0f} MiB"
        raise DatasetError(f"frames claim more than the {limit} an episode may take")
    steps = table.num_rows
    if steps != row["length"]:
        raise DatasetError(f"counts {row['length']} frames, but holds {steps}")
    columns = {name: _column(dataset, table, name, options) for name in table.column_names}
    numbers = columns.get("frame_index")
    if numbers is not None and not np.array_equal(numbers.reshape(-1), np.arange(steps)):
        raise DatasetError("frame_index does not count from 0 by one: frames are missing or out of order")

    def observed(name: str, feature: Mapping[str, Any]) -> np.ndarray:
        if feature.get("dtype") == "video":
            return _video(dataset, row, name, steps, options)
        if name not in columns:
            raise DatasetError(f"data has no column {name}")
        return columns[name]

    features = [(n, feature) for n, feature in dataset.features.items() if n.startswith("observation")]
    observation, unread = options.select(features, observed)
    observation, repeated = complete(observation, steps, "")
    others = columns.keys() - {"action", *(name for name, _ in features)}
    success, tasks = columns.get("next.success"), row.get("tasks")
    return RawEpisode(
        where=where,
        observation=observation,
        action=columns.get("action"),
        reward=columns["next.reward"].reshape(-1) if "next.reward" in columns else None,
        terminal=last_number("next.done", columns.get("next.done"), bool),
        score=None if success is None or not len(success) else float(success.max()),
        instruction=str(tasks[0]) if isinstance(tasks, list) and tasks else "",
        control_hz=dataset.fps,
        columns=options.select(((name, columns[name]) for name in others), lambda _, array: array)[0],
        unread=unread,
        info={"episode": int(row["episode_index"])} | repeated,
    )


def _column(dataset: _Dataset, table: Any, name: str, options: ReadOptions) -> np.ndarray:
    """A column as `[T, ...]`, of the shape that `info.json` gives it."""
    column = table.column(name).combine_chunks()
    feature = dataset.features[name]
    if feature.get("dtype") != "image":
        return arrow_numbers(column, tuple(map(int, feature.get("shape") or ())), options, name)
    images = [image["bytes"] if isinstance(image, dict) else image for image in column.to_pylist()]
    if any(not isinstance(image, bytes) for image in images):
        raise DatasetError(f"{name} names image files, but only images within the Parquet file are read")
    return decode_images(images, options, name)


def _video(
    dataset: _Dataset, row: Mapping[str, Any], name: str, steps: int, options: ReadOptions
) -> np.ndarray:
    keys = [f"videos/{name}/{key}" for key in ("chunk_index", "file_index", "from_timestamp")]
    if any(row.get(key) is None for key in keys):
        raise DatasetError(f"meta/episodes does not say where the video of {name} is")
    chunk, index, start_sec = int(row[keys[0]]), int(row[keys[1]]), float(row[keys[2]])
    if "/" in name or ".." in name:
        raise DatasetError(f"{name!r} cannot be the name of a camera")
    path = dataset.folder / "videos" / name / f"chunk-{chunk:03d}" / f"file-{index:03d}.mp4"
    return frames(path, start_sec=start_sec, count=steps, fps=dataset.fps, options=options)
