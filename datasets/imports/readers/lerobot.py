"""LeRobot v3: a folder with Parquet for numbers and images, MP4 for cameras, many episodes a file.

    meta/info.json                                    codebase_version, fps, features
    meta/episodes/chunk-*/file-*.parquet              an episode a row: length, tasks, where its video is
    data/chunk-*/file-*.parquet                       a frame a row, episode after episode
    videos/<camera>/chunk-*/file-*.mp4                frames of many episodes

A frame holds one observation and one action, so an episode has T of each: the last observation is
repeated, and `info` says so. `observation.images.front` is called `images/front` here, or `front` where
that is what is asked for. `next.reward` is the reward, `next.success` gives the score. LeRobot sets
`next.done` where an episode ends, for whatever reason: that the environment ended it is said only together
with a `next.truncated` that is not set.

pacloop's own exports keep more in `meta/episodes`, by names that begin with `pacloop/`: the last observation,
the score, the seed, the instruction, the info.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError
from .decode import arrow_numbers, attempt, complete, decode_images, last_flag, last_number, text
from .lerobot_files import LeRobotFiles, episode_rows, frame_tables, open_files
from .origin import exported_info
from .parquet_rows import check_table
from .raw import RawEpisode, ReadOptions, Unreadable
from .video import frames


def episodes(path: Path, options: ReadOptions) -> Iterator[RawEpisode | Unreadable]:
    """The episodes in the order of their numbers.

    Raises DatasetError where the folder is of another version, or holds fewer episodes than it counts.
    """
    files = open_files(path, options)
    tables = frame_tables(files)
    done = 0
    for row, last in episode_rows(files):
        number = int(row["episode_index"])
        index, table = next(tables, (None, None))
        if index != number:
            raise DatasetError(
                f"{path} has no frames of episode {number} where they must be: it was cut short"
            )
        done += 1
        yield attempt(f"{path.name}, episode {number}", _episode, files, row, last, table)
    if done != files.total:
        raise DatasetError(f"{path} counts {files.total} episodes, but holds {done}: it was cut short")


def count(path: Path) -> int:
    """How many episodes the description counts."""
    return open_files(path, ReadOptions(())).total


def _episode(where: str, files: LeRobotFiles, row: Mapping[str, Any], last: Any, table: Any) -> RawEpisode:
    options = files.options
    check_table(table, options)
    steps = table.num_rows
    if steps != row["length"]:
        raise DatasetError(f"counts {row['length']} frames, but holds {steps}")
    columns = {name: _column(files, table, name) for name in table.column_names}
    numbers = columns.get("frame_index")
    if numbers is not None and not np.array_equal(numbers.reshape(-1), np.arange(steps)):
        raise DatasetError("frame_index does not count from 0 by one: frames are missing or out of order")

    def observed(_: str, name: str) -> np.ndarray:
        if files.features[name].get("dtype") == "video":
            return _video(files, row, name, steps)
        if name not in columns:
            raise DatasetError(f"data has no column {name}")
        return columns[name]

    features = [name for name in files.features if name.startswith("observation")]
    observation, unread = options.select(((files.flat[n], n) for n in features), observed)
    after = {files.flat[n]: _column(files, last, n) for n in last.column_names}
    observation, repeated = complete(observation, steps, "", after)
    others = columns.keys() - {"action", *features}
    exported = {name.removeprefix("pacloop/"): value for name, value in row.items()}
    return RawEpisode(
        where=where,
        observation=observation,
        action=columns.get("action"),
        reward=columns["next.reward"].reshape(-1) if "next.reward" in columns else None,
        discount=columns.get("next.discount"),
        terminal=_terminal(columns),
        control_hz=files.fps,
        columns=options.select(((name, columns[name]) for name in others), lambda _, array: array)[0],
        unread=unread,
        info={"episode": int(row["episode_index"])} | repeated | exported_info(exported),
        **_facts(row, exported, columns),
    )


def _terminal(columns: Mapping[str, np.ndarray]) -> bool | None:
    done, cut = (last_flag(name, columns.get(name)) for name in ("next.done", "next.truncated"))
    if done is False or cut:
        return False
    return True if done and cut is False else None


def _facts(
    row: Mapping[str, Any], exported: Mapping[str, Any], columns: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Score, seed and instruction: of an export exactly, otherwise what LeRobot says of them."""
    success, tasks = columns.get("next.success"), row.get("tasks")
    score, seed, instruction = (exported.get(name) for name in ("score", "seed", "instruction"))
    if score is None and success is not None and len(success):
        score = success.max()
    if instruction is None:
        instruction = tasks[0] if isinstance(tasks, list) and tasks else ""
    return {
        "score": None if score is None else last_number("score", np.asarray(score), float),
        "seed": None if seed is None else last_number("seed", np.asarray(seed), int),
        "instruction": text("instruction", instruction),
    }


def _column(files: LeRobotFiles, table: Any, name: str) -> np.ndarray:
    """A column as `[T, ...]`, of the shape that `info.json` gives it."""
    column = table.column(name).combine_chunks()
    feature = files.features[name]
    if feature.get("dtype") != "image":
        return arrow_numbers(column, tuple(map(int, feature.get("shape") or ())), files.options, name)
    images = [image["bytes"] if isinstance(image, dict) else image for image in column.to_pylist()]
    if any(not isinstance(image, bytes) for image in images):
        raise DatasetError(f"{name} names image files, but only images within the Parquet file are read")
    return decode_images(images, files.options, name)


def _video(files: LeRobotFiles, row: Mapping[str, Any], name: str, steps: int) -> np.ndarray:
    keys = [f"videos/{name}/{key}" for key in ("chunk_index", "file_index", "from_timestamp")]
    if any(row.get(key) is None for key in keys):
        raise DatasetError(f"meta/episodes does not say where the video of {name} is")
    chunk, index, start_sec = int(row[keys[0]]), int(row[keys[1]]), float(row[keys[2]])
    if "/" in name or ".." in name:
        raise DatasetError(f"{name!r} cannot be the name of a camera")
    path = files.folder / "videos" / name / f"chunk-{chunk:03d}" / f"file-{index:03d}.mp4"
    return frames(path, start_sec=start_sec, count=steps, fps=files.fps, options=files.options)
