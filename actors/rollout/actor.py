"""Who acts: for a batch of environments at once, with or without a memory of each episode.

B is the number of environments, H the history, A the action's dimensions.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np


class StatelessPolicy(Protocol):
    """Picks actions for a batch and keeps nothing between steps; `learner.policy.Policy` does."""

    @property
    def noise_shape(self) -> tuple[int, int]:
        """Shape of the uniform noise that one environment needs at each step."""
        ...

    def act(self, observation: Mapping[str, np.ndarray], noise: np.ndarray) -> np.ndarray:
        """Observation fields `[B, H, ...]` and noise `[B, *noise_shape]` to actions `[B, A]`."""
        ...


@runtime_checkable
class Actor(Protocol):
    """Picks actions for a batch and keeps something of each episode, such as a script's phase."""

    def begin(self, random: np.random.Generator) -> Any:
        """What it keeps of an episode; all its draws come from `random`, a function of the seed alone."""

    def act(self, observation: Mapping[str, np.ndarray], memories: Sequence[Any]) -> np.ndarray:
        """Observation fields `[B, H, ...]` and what it keeps of each episode to actions `[B, A]`."""
        ...

    def info(self, memory: Any) -> Mapping[str, Any]:
        """Facts about how it acted in an episode, for the episode's info."""
        ...
