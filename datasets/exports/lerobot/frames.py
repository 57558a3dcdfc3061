"""Episodes as LeRobot v3.0's frames, and what it keeps of each episode beside them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import DatasetError
from ...records.episode import Episode
from ...records.schema import Field, Schema
from ..steps import facts
from ..update import Job, Update
from .meta import CHUNK, Total, field_statistics

Frames = Mapping[str, np.ndarray]
"""The frames of an episode, `[T, ...]` each, by the names of `frame_fields`."""


def frame_fields(schema: Schema) -> dict[str, Field]:
    """The features of a frame by LeRobot's names: `.` for `/`, pictures below `observation.images`.

    One number is a number there, whether its shape is () or (1,). Raises DatasetError where two observations
    would have one name.
    """
    fields: dict[str, Field] = {}
    for name, field in schema.observation.items():
        known = _observation_name(name, field)
        if known in fields:
            raise DatasetError(f"observation {name} would be called {known}, as another one is")
        fields[known] = field
    fields["action"] = schema.action
    fields |= dict.fromkeys(("next.reward", "next.discount"), Field((), "float32"))
    fields |= dict.fromkeys(("next.done", "next.truncated", "next.success"), Field((), "bool"))
    fields["timestamp"] = Field((), "float32")
    fields |= dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), Field((), "int64"))
    return {name: Field((), f.dtype) if f.shape == (1,) else f for name, f in fields.items()}


def read_batch(
    update: Update, job: Job, total: Total, number: int
) -> tuple[list[Frames], list[dict[str, Any]], Total]:
    """Of each episode of a batch that has an action: its frames, and its row for the file `number`.

    The third is `total`, what was there before, with these episodes.
    """
    schema, fields = update.store.schema, frame_fields(update.store.schema)
    frames: list[Frames] = []
    rows: list[dict[str, Any]] = []
    for row, episode in update.episodes(job):
        if not episode.length:
            continue
        task = update.store.task_of(row)
        frames.append(_frames(episode, schema, total, total.task_index(task)))
        statistics = {
            name: field_statistics(frames[-1][name], field)
            for name, field in fields.items()
            if not field.is_text
        }
        known = {f"pacloop/{name}": value for name, value in facts(row, job).items()}
        figures = {f"stats/{f}/{k}": v for f, s in statistics.items() for k, v in s.items()}
        rows.append(_place(total, task, episode.length, number) | known | figures)
        total = total.with_episode(episode.length, task, statistics)
    return frames, rows, total


def _observation_name(name: str, field: Field) -> str:
    return f"observation.{'images.' if field.is_image else ''}{name.replace('/', '.')}"


def _frames(episode: Episode, schema: Schema, total: Total, task: int) -> Frames:
    steps = episode.length
    number = np.arange(steps)
    done = number == steps - 1
    observation = {_observation_name(name, field): name for name, field in schema.observation.items()}
    return {
        **{known: episode.observation[name][:steps] for known, name in observation.items()},
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


def _place(total: Total, task: str, frames: int, number: int) -> dict[str, Any]:
    chunk, file = divmod(number, CHUNK)
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
