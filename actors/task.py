"""What a task is: an environment by name, and the facts the other rooms need about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import dm_env
import numpy as np

from ..datasets import Schema


class SeededEnvironment(Protocol):
    """A `dm_env.Environment` whose next episode is chosen by a seed."""

    def seed(self, seed: int) -> None:
        """Make the next `reset` start the episode of this seed: the start state is a function of it alone."""
        ...

    def reset(self) -> dm_env.TimeStep:
        """See `dm_env.Environment.reset`."""
        ...

    def step(self, action: np.ndarray) -> dm_env.TimeStep:
        """See `dm_env.Environment.step`."""
        ...

    def close(self) -> None:
        """See `dm_env.Environment.close`."""
        ...


@dataclass(frozen=True)
class Task:
    """An environment with a name, a horizon, a control rate, an action range and a score.

    Attributes:
      schema: the step's fields, the action bounds, the control rate, the horizon, the task's name.
      make: makes one environment. Its observation is a flat mapping of the schema's fields.
      score: from the rewards of an episode, `[T]`, to how well it went, in [0, 1].
      time_limit_is_terminal: whether reaching the horizon ends the task for the critic. True where
        the observation shows the time left; elsewhere the critic looks beyond the horizon.
      contact_force_limit: newtons, where the task's environments have a method `contact_force()` that gives
        the largest contact force of the episode so far: it is then kept in the episode's info as
        `contact_force`, and the gate can guard its mean. Forces above the limit count as the limit there.
    """

    schema: Schema
    make: Callable[[], SeededEnvironment]
    score: Callable[[np.ndarray], float]
    time_limit_is_terminal: bool
    contact_force_limit: float | None = None

    @property
    def name(self) -> str:
        """The name the task is found by, e.g. `pacloop/stack`."""
        return self.schema.task
