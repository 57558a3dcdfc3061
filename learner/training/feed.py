"""Batches and their targets, prepared on a thread of their own while a gradient step is taken."""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from ...datasets import Schema
from ...datasets.replay.replay import Replay, Transitions
from ..config import LearnConfig
from ..network.pac import Pac
from ..policy import normalise
from .objective import Batch, Targets, make_targets


class Feed:
    """Gives each step its batch and targets, both functions of (seed, step) and the target's weights."""

    def __init__(self, replay: Replay, schema: Schema, config: LearnConfig, seed: int) -> None:
        self._replay, self._schema, self._config, self._seed = replay, schema, config, seed
        self._thread = ThreadPoolExecutor(1)
        self._next: Future[tuple[Batch, Targets]] | None = None

    def take(self, target: Pac, step: int) -> tuple[Batch, Targets]:
        """The batch of a step: the one that `prepare` began, or the first, made here."""
        return self._next.result() if self._next else self._make(target, step)

    def prepare(self, target: Pac, step: int) -> None:
        """Begin to make the batch of a step; until it is taken, `target` must not change."""
        self._next = self._thread.submit(self._make, target, step)

    def drop(self) -> None:
        """Forget what `prepare` began: the run went back to another step."""
        self._next = None

    def _make(self, target: Pac, step: int) -> tuple[Batch, Targets]:
        random = np.random.default_rng([self._seed, step])
        batch = make_batch(self._replay.sample(self._config.batch_size, random), self._schema)
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        return batch, make_targets(target, batch, config=self._config, generator=generator)


def make_batch(transitions: Transitions, schema: Schema) -> Batch:
    """Turn numpy transitions of the task into what the objective reads."""
    return Batch(
        observation={name: torch.from_numpy(value) for name, value in transitions.observation.items()},
        action=torch.from_numpy(normalise(transitions.action, schema)),
        n_step_return=torch.from_numpy(transitions.n_step_return),
        bootstrap_discount=torch.from_numpy(transitions.bootstrap_discount),
        next_observation={name: torch.from_numpy(v) for name, v in transitions.next_observation.items()},
    )
