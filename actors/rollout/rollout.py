"""Many environments in lockstep, one batched call of the actor a step.

B is the number of environments, H the history, A the action's dimensions.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import dm_env
import numpy as np

from ...datasets import Episode
from ...datasets.errors import PacloopError
from ...datasets.records.episode import HORIZON
from ..task import SeededEnvironment, Task, episode_measures

ACTION_NOISE = 1
"""Second word of the seed of an episode's action noise, so that it never repeats the start state's."""


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


class _PolicyActor:
    """A policy as an actor: of an episode it keeps the generator of its action noise."""

    def __init__(self, policy: StatelessPolicy) -> None:
        self.policy = policy

    def begin(self, random: np.random.Generator) -> np.random.Generator:
        return random

    def act(
        self, observation: Mapping[str, np.ndarray], memories: Sequence[np.random.Generator]
    ) -> np.ndarray:
        noise = np.stack([random.random(self.policy.noise_shape, np.float32) for random in memories])
        return self.policy.act(observation, noise)

    def info(self, memory: np.random.Generator) -> Mapping[str, Any]:
        return {}


class PolicyError(PacloopError):
    """A policy that cannot act: it is to blame, and not the task or the machine."""

    def __init__(self, policy: str | None, why: str) -> None:
        """Both are arguments, so that the error arrives whole from another process."""
        super().__init__(policy, why)
        self.policy = policy

    def __str__(self) -> str:
        """One sentence."""
        return f"policy {self.policy} {self.args[1]}"


class _Slot:
    """One environment and the episode it is in."""

    def __init__(self, environment: SeededEnvironment, task: Task, actor: Actor, history: int) -> None:
        self.environment, self.task, self.actor, self.history = environment, task, actor, history

    def begin(self, seed: int) -> None:
        self.seed = seed
        self.memory = self.actor.begin(np.random.default_rng([seed, ACTION_NOISE]))
        self.environment.seed(seed)
        self.observations = [self.environment.reset().observation]
        self.actions: list[np.ndarray] = []
        self.steps: list[dm_env.TimeStep] = []

    def window(self, name: str) -> np.ndarray:
        """The last H observations of a field, `[H, ...]`; the first one repeats on the left."""
        if self.history == 1:
            return self.observations[-1][name][None]
        last = len(self.observations) - 1
        return np.stack([self.observations[max(0, last - h)][name] for h in range(self.history - 1, -1, -1)])

    def step(self, action: np.ndarray) -> bool:
        """Take one action; True where the episode ended with it."""
        step = self.environment.step(action)
        self.actions.append(action)
        self.steps.append(step)
        self.observations.append(step.observation)
        return step.last()

    def episode(self, policy_id: str | None) -> Episode:
        reward = np.asarray([step.reward for step in self.steps], np.float32)
        return Episode(
            observation={
                name: np.stack([o[name] for o in self.observations]) for name in self.task.schema.observation
            },
            action=np.asarray(self.actions, self.task.schema.action.dtype),
            reward=reward,
            discount=np.asarray([step.discount for step in self.steps], np.float32),
            score=self.task.score(reward),
            seed=self.seed,
            policy=policy_id,
            info={
                **episode_measures(self.environment),
                **self.actor.info(self.memory),
                **({"ended": HORIZON} if self.steps[-1].discount else {}),
            },
        )


def rollout(
    task: Task,
    actor: StatelessPolicy | Actor,
    seeds: Sequence[int],
    *,
    environments: Sequence[SeededEnvironment],
    policy_id: str | None = None,
    history: int = 1,
) -> Iterator[Episode]:
    """Run one episode for each seed and yield each as it ends, in the order in which they end.

    Raises PolicyError where the actor crashes or gives actions that are not finite.

    Args:
      task: the task that made `environments`.
      actor: acts for all of them at once.
      seeds: of the episodes; start state and action noise are functions of the seed alone.
      environments: run in lockstep; each takes the next seed when its episode ends.
      policy_id: recorded in the episodes.
      history: H, observations that the actor sees at once.
    """
    actor = actor if isinstance(actor, Actor) else _PolicyActor(actor)
    waiting = list(reversed(seeds))
    slots = [_Slot(environment, task, actor, history) for environment in environments[: len(seeds)]]
    for slot in slots:
        slot.begin(waiting.pop())
    while slots:
        observation = {
            name: np.stack([slot.window(name) for slot in slots]) for name in task.schema.observation
        }
        actions = _actions(actor, observation, [slot.memory for slot in slots], policy_id)
        actions = _as_recorded(actions, task.schema.action.numpy, policy_id)
        ended = [slot for slot, action in zip(slots, actions) if slot.step(action)]
        for slot in ended:
            yield slot.episode(policy_id)
            if waiting:
                slot.begin(waiting.pop())
            else:
                slots.remove(slot)


def _actions(
    actor: Actor, observation: Mapping[str, np.ndarray], memories: Sequence[Any], policy_id: str | None
) -> np.ndarray:
    try:
        actions = actor.act(observation, memories)
    except Exception as error:
        raise PolicyError(policy_id, f"failed to act: {error!r}") from error
    if not np.isfinite(actions).all():
        raise PolicyError(policy_id, "gave actions that are not finite")
    return actions


def _as_recorded(actions: np.ndarray, dtype: np.dtype, policy_id: str | None) -> np.ndarray:
    """The actions in the schema's dtype, whole numbers rounded: what is done is what is recorded."""
    if dtype.kind == "f":
        return actions.astype(dtype)
    whole = np.rint(actions).astype(dtype)
    if (whole != np.rint(actions)).any():
        raise PolicyError(policy_id, f"gave actions that {dtype} cannot hold")
    return whole
