"""What acts in a rollout: a policy, which keeps nothing between steps, or an actor, which may.

B is the number of environments, H the history, A the action's dimensions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
        ...

    def act(self, observation: Mapping[str, np.ndarray], memories: Sequence[Any]) -> np.ndarray:
        """Observation fields `[B, H, ...]` and what it keeps of each episode to actions `[B, A]`."""
        ...

    def info(self, memory: Any) -> Mapping[str, Any]:
        """Facts about how it acted in an episode, for the episode's info."""
        ...


@dataclass(frozen=True)
class PolicyActor:
    """A policy as an actor: of an episode it keeps the generator of its action noise."""

    policy: StatelessPolicy

    def begin(self, random: np.random.Generator) -> np.random.Generator:
        """The generator."""
        return random

    def act(
        self, observation: Mapping[str, np.ndarray], memories: Sequence[np.random.Generator]
    ) -> np.ndarray:
        """Draw each episode's noise and ask the policy."""
        noise = np.stack([random.random(self.policy.noise_shape, np.float32) for random in memories])
        return self.policy.act(observation, noise)

    def info(self, memory: np.random.Generator) -> Mapping[str, Any]:
        """Nothing: the weights say how it acts."""
        return {}
