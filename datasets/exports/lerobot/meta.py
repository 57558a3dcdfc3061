"""What LeRobot v3.0 keeps about episodes: their places and statistics, the tasks, `info.json`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...records.schema import Field

CHUNK = 1000  # files in a folder
FRAMES_LOOKED_AT = 100  # pictures of an episode that its statistics are taken from, as LeRobot does
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"

Statistics = Mapping[str, Mapping[str, list[Any]]]
"""By feature: `min`, `max`, `mean`, `std`, each of the feature's shape (a picture's: `[C, 1, 1]`), and
`count`, `[1]`. Pictures count from 0 to 1."""


@dataclass(frozen=True)
class Total:
    """What all episodes together are: how many, how long, which tasks, and their statistics."""

    episodes: int = 0
    frames: int = 0
    tasks: Sequence[str] = ()
    statistics: Statistics | None = None

    def task_index(self, task: str) -> int:
        """The number of a task; the next one where it is new."""
        return self.tasks.index(task) if task in self.tasks else len(self.tasks)

    def with_episode(self, frames: int, task: str, statistics: Statistics) -> "Total":
        """The total with one episode more."""
        tasks = self.tasks if task in self.tasks else (*self.tasks, task)
        merged = statistics if self.statistics is None else _merged(self.statistics, statistics)
        return Total(self.episodes + 1, self.frames + frames, tasks, merged)


def frame_statistics(frames: Mapping[str, np.ndarray], fields: Mapping[str, Field]) -> Statistics:
    """The statistics of an episode's frames, `[T, ...]` each."""
    return {name: _figures(frames[name], field) for name, field in fields.items() if not field.is_text}


def _figures(values: np.ndarray, field: Field) -> dict[str, list[Any]]:
    if field.is_image:
        values = values[:: max(1, len(values) // FRAMES_LOOKED_AT)]
        numbers, shape = values.reshape(-1, values.shape[-1]) / 255.0, (-1, 1, 1)
    else:
        numbers, shape = values.astype(np.float64).reshape(len(values), -1), values.shape[1:] or (1,)
    figures = {"min": numbers.min(0), "max": numbers.max(0), "mean": numbers.mean(0), "std": numbers.std(0)}
    return {k: figure.reshape(shape).tolist() for k, figure in figures.items()} | {"count": [len(values)]}


def info_json(control_hz: float, total: Total, fields: Mapping[str, Field]) -> dict[str, Any]:
    """`meta/info.json`."""
    return {
        "codebase_version": "v3.0",
        "robot_type": None,
        "total_episodes": total.episodes,
        "total_frames": total.frames,
        "total_tasks": len(total.tasks),
        "chunks_size": CHUNK,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": int(control_hz) if control_hz.is_integer() else control_hz,
        "splits": {"train": f"0:{total.episodes}"},
        "data_path": DATA_PATH,
        "video_path": None,
        "features": {name: _feature(field) for name, field in fields.items()},
    }


def tasks_parquet(tasks: Sequence[str]) -> bytes:
    """`meta/tasks.parquet`: the number of each task, with the tasks as what pandas calls the index."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    index = dict.fromkeys(("name", "field_name"), "task") | {"pandas_type": "unicode", "numpy_type": "object"}
    note = {"index_columns": ["task"], "column_indexes": [], "columns": [index | {"metadata": None}]}
    table = pa.table({"task_index": range(len(tasks)), "task": pa.array(tasks, pa.string())})
    file = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(note)}), file)
    return file.getvalue().to_pybytes()


def _merged(first: Statistics, second: Statistics) -> Statistics:
    """Statistics of both together: mean and deviation by the counts, each feature by itself."""
    merged = {}
    for name in first:
        figures = {figure: np.array([first[name][figure], second[name][figure]]) for figure in first[name]}
        count = figures["count"][:, 0]
        mean = np.average(figures["mean"], 0, count)
        variance = np.average(figures["std"] ** 2 + (figures["mean"] - mean) ** 2, 0, count)
        both = {
            "min": figures["min"].min(axis=0),
            "max": figures["max"].max(axis=0),
            "mean": mean,
            "std": np.sqrt(variance),
            "count": figures["count"].sum(axis=0),
        }
        merged[name] = {figure: value.tolist() for figure, value in both.items()}
    return merged


def _feature(field: Field) -> dict[str, Any]:
    if field.is_image:
        return {"dtype": "image", "shape": list(field.shape), "names": ["height", "width", "channels"]}
    dtype = "string" if field.is_text else field.dtype
    return {"dtype": dtype, "shape": list(field.shape or (1,)), "names": None}
