"""One episode in memory, with RLDS's meaning of a step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import DatasetError
from .schema import Schema

HORIZON, INTERRUPTED = "horizon", "interrupted"
"""What cut an episode off: a time limit, or whatever came before it, as somebody who stopped recording."""

ROUNDING = 1e-4
"""Share of an action's range by which it may leave its bounds."""


@dataclass(frozen=True)
class Episode:
    """T actions and the T+1 observations around them; T is 0 where nothing was done.

    `reward[t]` and `discount[t]` follow `action[t]`. The episode is terminal where its last discount
    is 0; where it is not, it was cut off and could have gone on: `ended` says by what.

    Attributes:
      observation: by flat name, each `[T+1, ...]`; text as an array of strings.
      action: `[T, A]`.
      reward: `[T]`, float32.
      discount: `[T]`, float32 in [0, 1].
      score: how well the episode went, in [0, 1]; success is 1 where the task is binary.
      seed: what the start state and the action noise were made from; None where nobody knows.
      policy: id of the policy that acted; None where it was no policy of this workspace.
      instruction: what the robot was told, or "".
      info: further facts worth keeping, JSON-able; `ended` is what cut it off: `horizon` or `interrupted`.
    """

    observation: Mapping[str, np.ndarray]
    action: np.ndarray
    reward: np.ndarray
    discount: np.ndarray
    score: float
    seed: int | None = None
    policy: str | None = None
    instruction: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """T, the number of actions."""
        return len(self.action)

    @property
    def is_terminal(self) -> bool:
        """True where the environment ended the episode, False where it was cut off."""
        return self.length > 0 and float(self.discount[-1]) == 0.0

    def ended(self, horizon: int) -> str:
        """Why it ended: `terminal`, `horizon` for a time limit, `interrupted` where something else cut it.

        Where `info` does not say, a time limit cut what has as many actions as the horizon.
        """
        if self.is_terminal:
            return "terminal"
        if (known := self.info.get("ended")) in (HORIZON, INTERRUPTED):
            return str(known)
        return HORIZON if self.length >= horizon else INTERRUPTED

    @property
    def is_success(self) -> bool:
        """Whether its score is a success."""
        return is_success(self.score)


def is_success(score: float) -> bool:
    """Whether a score is a success: 1, the best there is."""
    return score >= 1.0


def padded(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """What goes with the actions of some episodes, each `[T, ...]`, as T+1 steps each, one after the other.

    In the last step of an episode only the observation means anything, so the rest is 0 there.
    """
    last = np.zeros_like(arrays[0], shape=(1, *arrays[0].shape[1:]))
    return np.concatenate([part for array in arrays for part in (array, last)])


def check_episode(episode: Episode, schema: Schema) -> None:
    """Raise DatasetError, naming the field, where `episode` does not fit `schema`."""
    check_layout(episode, schema)
    check_values(episode, schema)


def check_layout(episode: Episode, schema: Schema) -> None:
    """Raise DatasetError, naming the field, where anything but the arrays' numbers does not fit `schema`."""
    steps = episode.length
    if steps > schema.horizon:
        raise DatasetError(f"episode has {steps} actions, more than the horizon of {schema.horizon}")
    if set(episode.observation) != set(schema.observation):
        fields, required = sorted(episode.observation), sorted(schema.observation)
        raise DatasetError(f"observation has the fields {fields}, but must have {required}")
    for name, spec in schema.observation.items():
        _check_array(f"observation {name}", episode.observation[name], (steps + 1, *spec.shape), spec.dtype)
    _check_array("action", episode.action, (steps, *schema.action.shape), schema.action.dtype)
    _check_array("reward", episode.reward, (steps,), "float32")
    _check_array("discount", episode.discount, (steps,), "float32")
    if not 0.0 <= episode.score <= 1.0:
        raise DatasetError(f"score is {episode.score}, but must lie in [0, 1]")


def check_values(episode: Episode, schema: Schema) -> None:
    """Raise DatasetError, naming the field, where a number is not finite or out of its bounds."""
    arrays = {f"observation {name}": array for name, array in episode.observation.items()}
    arrays |= {name: getattr(episode, name) for name in ("action", "reward", "discount")}
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            raise DatasetError(f"{name} is not finite at step {row}")
    if len(beyond_bounds(episode.action, schema)):
        ends = (float(episode.action.min()), float(episode.action.max()))
        raise DatasetError(
            f"action lies in {ends}, outside its bounds {schema.action_minimum} to {schema.action_maximum}"
        )
    if np.any((episode.discount < 0) | (episode.discount > 1)):
        raise DatasetError("discount must lie in [0, 1]")


def beyond_bounds(action: np.ndarray, schema: Schema) -> np.ndarray:
    """The dimensions in which actions `[T, A]` leave the schema's bounds, by more than rounding."""
    low, high = np.array([schema.action_minimum, schema.action_maximum])[..., None]
    slack, values = ROUNDING * (high - low), np.ascontiguousarray(action.T)  # along rows: twice as fast
    return np.flatnonzero(((values < low - slack) | (values > high + slack)).any(axis=1))


def _check_array(name: str, array: np.ndarray, shape: tuple[int, ...], dtype: str) -> None:
    if not isinstance(array, np.ndarray):
        raise DatasetError(f"{name} is a {type(array).__name__}, but must be a numpy array")
    if array.shape != shape:
        raise DatasetError(f"{name} has shape {array.shape}, but must have {shape}")
    is_text = dtype == "str"
    if not (array.dtype.kind in "UO" if is_text else array.dtype == np.dtype(dtype)):
        raise DatasetError(f"{name} is {array.dtype}, but must be {dtype}")
    for value in array.reshape(-1).tolist() if is_text else ():
        check_text(name, value)


def check_text(name: str, value: object) -> str:
    """`value`. Raises DatasetError where it is no text, or no valid Unicode."""
    if not isinstance(value, str):
        raise DatasetError(f"{name} holds {value!r:.50}, but must hold text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise DatasetError(f"{name} holds {value!r:.50}, which is no valid Unicode") from None
    return value
