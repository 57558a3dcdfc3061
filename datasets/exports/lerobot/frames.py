"""Episodes as LeRobot v3.0's frames, and what it keeps of each episode beside them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import DatasetError
from ...imports.readers.lerobot_files import LAST
from ...records.episode import Episode
from ...records.schema import Field, Schema
from .meta import Statistics, Total


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


def last_observation(episode: Episode, schema: Schema) -> dict[str, np.ndarray]:
    """The observation after the last action, `[1, ...]` each, for which a frame has no place."""
    return {
        f"{LAST}{_observation_name(name, field)}": episode.observation[name][-1:]
        for name, field in schema.observation.items()
    }


def _observation_name(name: str, field: Field) -> str:
    return f"observation.{'images.' if field.is_image else ''}{name.replace('/', '.')}"


def episode_frames(episode: Episode, schema: Schema, total: Total, task: str) -> dict[str, np.ndarray]:
    """The frames of an episode that follows those of `total`, `[T, ...]` each, by `frame_fields`'s names."""
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
        "task_index": np.full(steps, total.task_index(task)),
    }


def episode_entry(
    total: Total, task: str, frames: int, place: Mapping[str, int], statistics: Statistics
) -> dict[str, Any]:
    """What `meta/episodes` says of an episode that follows those of `total`."""
    return {
        "episode_index": total.episodes,
        "tasks": [task],
        "length": frames,
        "dataset_from_index": total.frames,
        "dataset_to_index": total.frames + frames,
        **{f"{file}/{key}": value for file in ("data", "meta/episodes") for key, value in place.items()},
        **{f"stats/{name}/{key}": v for name, figures in statistics.items() for key, v in figures.items()},
    }
