"""Episodes as LeRobot v3.0's frames, and what it keeps of each episode beside them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DatasetError
from ...records.episode import Episode
from ...records.schema import Field, Schema
from ..columns import column, fact_type, marked
from ..steps import facts
from ..update import Job, Update
from .meta import Total, episode_statistics

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERS = ("frame_index", "episode_index", "index", "task_index")


def frame_fields(schema: Schema) -> dict[str, Field]:
    """The features of a frame by LeRobot's names: `.` for `/`, pictures below `observation.images`.

    Raises DatasetError where two observations would have one name.
    """
    fields: dict[str, Field] = {}
    for name, field in schema.observation.items():
        known = _observation_name(name, field)
        if known in fields:
            raise DatasetError(f"observation {name} would be called {known}, as another one is")
        fields[known] = field
    fields["action"] = schema.action
    fields |= {name: Field((), "float32") for name in ("next.reward", "next.discount")}
    fields |= {name: Field((), "bool") for name in ("next.done", "next.truncated", "next.success")}
    fields["timestamp"] = Field((), "float32")
    return fields | {name: Field((), "int64") for name in _NUMBERS}


def _observation_name(name: str, field: Field) -> str:
    return f"observation.{'images.' if field.is_image else ''}{name.replace('/', '.')}"


def batch_tables(
    update: Update, job: Job, total: Total, place: tuple[int, int]
) -> tuple["pa.Table", "pa.Table", Total]:
    """The frames of a batch, a row for each of its episodes, and the total with them.

    `total` is what was there before, `place` the numbers of chunk and file that the tables are for.
    Episodes without an action are left out.
    """
    import pyarrow as pa

    schema, fields = update.store.schema, frame_fields(update.store.schema)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in fields}
    rows: dict[str, list[Any]] = {}
    for row, episode in update.episodes(job):
        if not episode.length:
            continue
        task = episode.instruction or schema.task
        frames = _frames(episode, schema, total, total.task_index(task))
        for name in fields:
            parts[name].append(frames[name])
        statistics = episode_statistics(frames, fields)
        known = _place(total, task, episode.length, place) | {
            f"pacloop/{k}": v for k, v in facts(row, job).items()
        }
        known |= {f"stats/{f}/{k}": v.tolist() for f, s in statistics.items() for k, v in s.items()}
        for name, value in known.items():
            rows.setdefault(name, []).append(value)
        total = total.with_episode(episode.length, task, statistics)
    columns = {
        name: column(np.concatenate(part), _frame_field(fields[name])) for name, part in parts.items() if part
    }
    return marked(pa.table(columns), fields), _rows_table(rows), total


def _frames(episode: Episode, schema: Schema, total: Total, task: int) -> dict[str, np.ndarray]:
    steps = episode.length
    number = np.arange(steps)
    done = number == steps - 1
    return {
        **{
            _observation_name(name, field): episode.observation[name][:steps]
            for name, field in schema.observation.items()
        },
        "action": episode.action,
        "next.reward": episode.reward,
        "next.discount": episode.discount,
        "next.done": done,
        "next.truncated": done & (not episode.is_terminal),
        "next.success": done & episode.is_success,
        "timestamp": (number / schema.control_hz).astype(np.float32),
        "frame_index": number,
        "episode_index": np.full(steps, total.episodes),
        "index": total.frames + number,
        "task_index": np.full(steps, task),
    }


def _place(total: Total, task: str, frames: int, place: tuple[int, int]) -> dict[str, Any]:
    chunk, file = place
    return {
        "episode_index": total.episodes,
        "tasks": [task],
        "length": frames,
        "dataset_from_index": total.frames,
        "dataset_to_index": total.frames + frames,
        "data/chunk_index": chunk,
        "data/file_index": file,
        "meta/episodes/chunk_index": chunk,
        "meta/episodes/file_index": file,
    }


def _frame_field(field: Field) -> Field:
    # LeRobot keeps one number as a number, whether its shape is () or (1,).
    return Field((), field.dtype) if field.shape == (1,) else field


def _rows_table(rows: Mapping[str, list[Any]]) -> "pa.Table":
    import pyarrow as pa

    facts_ = {name: fact_type(name.removeprefix("pacloop/")) for name in rows if name.startswith("pacloop/")}
    return pa.table({name: pa.array(values, facts_.get(name)) for name, values in rows.items()})
