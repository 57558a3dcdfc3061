"""An environment and the episode it is in: what it hands over is checked and copied, its errors are kept."""

from contextlib import suppress
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import numpy as np

from ...datasets import DatasetError, Episode, Schema
from ...datasets.errors import PacloopError
from ...datasets.records.episode import HORIZON, check_episode
from ..registry import TaskError
from ..task import SeededEnvironment, Task, episode_measures
from .actor import Actor

ACTION_NOISE = 1
"""Second word of the seed of an episode's action noise, so that it never repeats the start state's."""


class MakeError(PacloopError):
    """An environment that cannot be made at the moment."""


@dataclass(frozen=True)
class Failure:
    """An episode that could not be played, and why, as one sentence that names task and seed."""

    seed: int
    reason: str


class Slot:
    """A place in a list of environments, and the episode it is in. Where the list has None, one is made.

    An environment may write on what it handed over and on what it was given, so both are copied at once.
    """

    def __init__(
        self, environments: list[SeededEnvironment | None], index: int, task: Task, actor: Actor, history: int
    ) -> None:
        """Take the place `index`; no episode has begun."""
        self.environments, self.index = environments, index
        self.task, self.actor, self.history = task, actor, history

    def begin(self, seed: int) -> Failure | None:
        """Begin an episode; why it cannot be begun, or None. Raises as `make_environment` does."""
        environment = self.environments[self.index]
        self.environment = make_environment(self.task) if environment is None else environment
        self.environments[self.index] = self.environment
        self.seed = seed
        self.memory = self.actor.begin(np.random.default_rng([seed, ACTION_NOISE]))
        self.actions: list[np.ndarray] = []
        self.rewards: list[float] = []
        self.discounts: list[float] = []
        try:
            first = self.task.begin(self.environment, seed)
            self.observations = [copied(self.task.schema, first.observation)]
        except Exception as error:  # somebody else's code
            return self._failure(error)
        return None

    def act(self, action: np.ndarray, policy_id: str | None) -> Episode | Failure | None:
        """Take one action, in the schema's dtype; the outcome where that or the horizon ended the episode."""
        try:
            return self._episode(policy_id) if self._step(action) else None
        except Exception as error:
            return self._failure(error)

    def window(self, name: str) -> np.ndarray:
        """The last H observations of a field, `[H, ...]`; the first one repeats on the left."""
        if self.history == 1:
            return self.observations[-1][name][None]
        last = len(self.observations) - 1
        return np.stack([self.observations[max(0, last - h)][name] for h in range(self.history - 1, -1, -1)])

    def _step(self, action: np.ndarray) -> bool:
        self.actions.append(action)
        step = self.environment.step(action.copy())
        self.rewards.append(_number("reward", step.reward))
        self.discounts.append(_number("discount", step.discount))
        self.observations.append(copied(self.task.schema, step.observation))
        return step.last() or len(self.actions) == self.task.schema.horizon

    def _episode(self, policy_id: str | None) -> Episode:
        reward = np.array(self.rewards, np.float32)
        episode = Episode(
            observation={
                name: np.stack([o[name] for o in self.observations]) for name in self.task.schema.observation
            },
            action=np.array(self.actions),
            reward=reward,
            discount=np.array(self.discounts, np.float32),
            score=_number("score", self.task.score(reward.copy())),
            seed=self.seed,
            policy=policy_id,
            info={
                **episode_measures(self.environment),
                **self.actor.info(self.memory),
                **({"ended": HORIZON} if self.discounts[-1] else {}),
            },
        )
        check_episode(episode, self.task.schema)
        return episode

    def _failure(self, error: Exception) -> Failure:
        """The failure of the episode; its environment makes way for a new one."""
        self.environments[self.index] = None
        with suppress(Exception):
            self.environment.close()
        return Failure(self.seed, f"{self.task.name}, seed {self.seed}: {one_line(error)}")


def make_environment(task: Task) -> SeededEnvironment:
    """One environment of a task.

    Raises TaskError where a package is missing, and MakeError where it may be possible later.
    """
    try:
        return task.make()
    except Exception as error:
        kind = TaskError if isinstance(error, ImportError) else MakeError
        raise kind(f"no environment of {task.name} can be made: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """What an error says, in one line: of our own the sentence, of others' code the kind as well."""
    kind = "" if isinstance(error, PacloopError) else f"{type(error).__name__}: "
    return f"{kind}{' '.join(str(error).split()):.300}".removesuffix(": ")


def copied(schema: Schema, observation: Any) -> dict[str, np.ndarray]:
    """The schema's fields of an observation, as arrays of their own.

    Raises DatasetError, naming the field, where one is missing, is not of the schema's shape, cannot be had
    in its dtype, or is not finite.
    """
    arrays = {}
    for name, field in schema.observation.items():
        if name not in observation:
            raise DatasetError(f"observation {name} is missing")
        value = np.asarray(observation[name])
        if value.shape != field.shape:
            raise DatasetError(f"observation {name} has shape {value.shape}, but must have {field.shape}")
        array = _cast(value, field.numpy)
        if array is None:
            raise DatasetError(f"observation {name} is {value.dtype}, but must be {field.dtype}")
        arrays[name] = array
    floats = {name: array.reshape(-1) for name, array in arrays.items() if array.dtype.kind == "f"}
    if floats and not np.isfinite(np.concatenate([*floats.values()])).all():  # one look at all is cheaper
        wrong = next(name for name, array in floats.items() if not np.isfinite(array).all())
        raise DatasetError(f"observation {wrong} is not finite")
    return arrays


def _cast(value: np.ndarray, dtype: np.dtype) -> np.ndarray | None:
    """A copy in a dtype; None where that would say something else."""
    if value.dtype == dtype:
        return value.copy()
    if value.dtype.kind in "iu" and dtype.kind in "iu":
        array = value.astype(dtype)
        return array if np.array_equal(array, value) else None
    return value.astype(dtype) if np.can_cast(value.dtype, dtype, "same_kind") else None


def _number(name: str, value: Any) -> float:
    """A copy of a number. Raises DatasetError where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = nan
    if not isfinite(number):
        raise DatasetError(f"{name} is {value!r:.50}, but must be a finite number")
    return number
