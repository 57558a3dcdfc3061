"""What a task is: an environment by name, and the facts the other rooms need about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

import dm_env
import numpy as np

from ..datasets import Schema
from ..datasets.errors import PacloopError


class SeededEnvironment(Protocol):
    """A `dm_env.Environment` whose next episode is chosen by a seed.

    It may hand over the same arrays again and again, and write on them: what is recorded is a copy. It may
    have two more methods: `render()` gives a picture for people, `[H, W, 3]` uint8; `measures()` gives
    numbers of the episode so far by name, such as the largest contact force, which are kept in the info of
    the episode when it ends. The gate can guard their means.
    """

    def seed(self, seed: int) -> None:
        """Make the next `reset` start the episode of this seed: the start state is a function of it alone."""

    def reset(self) -> dm_env.TimeStep:
        """See `dm_env.Environment.reset`."""
        ...

    def step(self, action: np.ndarray) -> dm_env.TimeStep:
        """See `dm_env.Environment.step`."""
        ...

    def close(self) -> None:
        """See `dm_env.Environment.close`."""


@dataclass(frozen=True)
class Task:
    """An environment with a name, a horizon, a control rate, an action range and a score.

    Attributes:
      schema: the step's fields, the action bounds, the control rate, the horizon, the task's name.
      make: makes one environment. Its observation is a flat mapping that has the schema's fields; what else
        is in it is ignored.
      score: from the rewards of an episode, `[T]`, to how well it went, in [0, 1].
      time_limit_is_terminal: whether reaching the horizon ends the task for the critic. True where
        the observation shows the time left; elsewhere the critic looks beyond the horizon, as it always
        does beyond a demonstration that was interrupted.
      seed_limit: its environments are given seeds below this. The loop's own have up to 63 bits; one that is
        too large is given as the first word, 32 bits, that numpy's `SeedSequence` makes of it.
      replayable: whether episodes may be played again in another process, and as often as asked: a
        simulation. Elsewhere, as on a robot, only what collects and evaluates makes an environment.
    """

    schema: Schema
    make: Callable[[], SeededEnvironment]
    score: Callable[[np.ndarray], float]
    time_limit_is_terminal: bool
    seed_limit: int = 2**32
    replayable: bool = False

    def __post_init__(self) -> None:
        """Raise PacloopError, naming it, where a part is something else."""
        limit = isinstance(self.seed_limit, int) and self.seed_limit > 0
        for name, right, kind in (
            ("schema", isinstance(self.schema, Schema), "a Schema"),
            ("make", callable(self.make), "a function"),
            ("score", callable(self.score), "a function"),
            ("seed_limit", limit, "a positive whole number"),
            ("replayable", isinstance(self.replayable, bool), "True or False"),
        ):
            if not right:
                raise PacloopError(f"the task's {name} is {getattr(self, name)!r:.80}, but must be {kind}")

    @property
    def name(self) -> str:
        """The name the task is found by, e.g. `pacloop/stack`."""
        return self.schema.task

    def make_for_replay(self) -> SeededEnvironment:
        """One environment in which to play episodes again. Raises PacloopError where these are not played."""
        if not self.replayable:
            raise PacloopError(
                f"no episode of {self.name} is played again: its task does not say replayable=True, "
                "as that of a simulation may"
            )
        return self.make()

    def environment_seed(self, seed: int) -> int:
        """The seed that its environments are given for an episode's."""
        return seed if seed < self.seed_limit else int(np.random.SeedSequence(seed).generate_state(1)[0])

    def begin(self, environment: SeededEnvironment, seed: int) -> dm_env.TimeStep:
        """Begin the episode of a seed in one of its environments."""
        environment.seed(self.environment_seed(seed))
        return environment.reset()


def episode_measures(environment: SeededEnvironment) -> dict[str, float]:
    """What an environment measured in the episode so far, by name; empty where it has no `measures()`.

    What is not finite was not measured, and is left out.
    """
    measures: Callable[[], Mapping[str, float]] = getattr(environment, "measures", dict)
    return {name: float(value) for name, value in measures().items() if isfinite(value)}
