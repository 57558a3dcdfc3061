"""Many environments in lockstep, one batched call of the actor a step."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ...datasets import Episode
from ...datasets.errors import PacloopError
from ..task import SeededEnvironment, Task
from .actor import Actor, StatelessPolicy
from .slot import Failure, Slot

_MACHINE_LACKS = ("can't start new thread", "can't allocate memory", "out of memory")
"""What Python and torch say in a RuntimeError where the machine is to blame, and not the policy."""


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


class EpisodeError(PacloopError):
    """An episode that could not be played, where all must be."""


def rollout(
    task: Task,
    actor: StatelessPolicy | Actor,
    seeds: Sequence[int],
    *,
    environments: Sequence[SeededEnvironment],
    policy_id: str | None = None,
    history: int = 1,
) -> Iterator[Episode]:
    """Yield one episode for each seed as it ends, in the order in which they end.

    The arguments are those of `outcomes`. Raises EpisodeError for the first that cannot be played.
    """
    played = outcomes(
        task, actor, seeds, environments=list(environments), policy_id=policy_id, history=history
    )
    for outcome in played:
        if isinstance(outcome, Failure):
            raise EpisodeError(outcome.reason)
        yield outcome


def outcomes(
    task: Task,
    actor: StatelessPolicy | Actor,
    seeds: Sequence[int],
    *,
    environments: list[SeededEnvironment | None],
    policy_id: str | None = None,
    history: int = 1,
) -> Iterator[Episode | Failure]:
    """Yield exactly one outcome for each seed as it comes: the episode, or why it could not be played.

    An episode that reaches the task's horizon is cut off there; it is terminal only where the environment
    says so. Raises PolicyError where the actor crashes or gives actions that are not finite, and the error
    itself where the machine lacks memory, threads or files.

    Args:
      task: the task that made `environments`.
      actor: acts for all of them at once.
      seeds: of the episodes; start state and action noise are functions of the seed alone.
      environments: run in lockstep; each takes the next seed when its episode ends. One whose episode failed
        is closed and makes way for None; where there is None, one is made when it is needed.
      policy_id: recorded in the episodes.
      history: H, observations that the actor sees at once.
    """
    actor = actor if isinstance(actor, Actor) else _PolicyActor(actor)
    waiting, busy = deque(seeds), list[Slot]()
    idle = deque(Slot(environments, index, task, actor, history) for index in range(len(environments)))
    while waiting or busy:
        while waiting and idle:
            slot = idle.popleft()
            if failure := slot.begin(waiting.popleft()):
                idle.append(slot)
                yield failure
            else:
                busy.append(slot)
        actions = _actions(task, actor, busy, policy_id) if busy else ()
        for slot, action in zip(list(busy), actions):
            if outcome := slot.act(action, policy_id):
                busy.remove(slot)
                idle.append(slot)
                yield outcome


def _actions(task: Task, actor: Actor, slots: Sequence[Slot], policy_id: str | None) -> np.ndarray:
    """The next action of each slot, as it is recorded, `[B, A]`."""
    observation = {name: np.stack([slot.window(name) for slot in slots]) for name in task.schema.observation}
    try:
        actions = actor.act(observation, [slot.memory for slot in slots])
    except Exception as error:
        if isinstance(error, MemoryError | OSError) or any(words in str(error) for words in _MACHINE_LACKS):
            raise
        raise PolicyError(policy_id, f"failed to act: {error!r}") from error
    if not np.isfinite(actions).all():
        raise PolicyError(policy_id, "gave actions that are not finite")
    return _as_recorded(actions, task.schema.action.numpy, policy_id)


def _as_recorded(actions: np.ndarray, dtype: np.dtype, policy_id: str | None) -> np.ndarray:
    """The actions in the schema's dtype, whole numbers rounded: what is done is what is recorded."""
    if dtype.kind == "f":
        return actions.astype(dtype)
    whole = np.rint(actions).astype(dtype)
    if (whole != np.rint(actions)).any():
        raise PolicyError(policy_id, f"gave actions that {dtype} cannot hold")
    return whole
