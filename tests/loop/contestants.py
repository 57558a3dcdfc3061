"""Who plays two policies: episodes of two steps, whose end is told by policy, task and seed."""

import numpy as np

from pacloop.actors.rollout.slot import Failure
from pacloop.datasets import Episode
from pacloop.loop.episodes.play import Session
from pacloop.loop.progress import silent
from pacloop.loop.stages.gate import gate


class Killed(BaseException):
    """The process is gone."""


class Collectors:
    """Chance of success and steps of a success by policy, and by `policy@task` on another task.

    `luck` is the share of an episode's chance that its seed decides for whoever plays it.
    """

    def __init__(self, rates, steps=None, luck=0.0, killed_after=10**9):
        self.rates, self.steps, self.luck, self.killed_after = rates, steps or {}, luck, killed_after
        self.played, self.fails = [], ""

    def start(self, seed):
        """Nothing begins it again."""

    def run(self, record, _weights, seeds, task=""):
        rate = self.rates.get(f"{record.id}@{task}", self.rates.get(record.id))
        for seed in seeds:
            if len(self.played) == self.killed_after:
                raise Killed
            self.played.append((record.id, task, seed))
            if record.id == self.fails and seed % 2:
                yield Failure(seed, f"seed {seed}: stuck")
                continue
            shared = np.random.default_rng([seed, 1]).random()
            own = np.random.default_rng([seed, *record.id.encode()]).random()
            decides = np.random.default_rng([seed, 2]).random() < self.luck
            yield episode(record, seed, (shared if decides else own) < rate, self.steps.get(record.id, 2))


def episode(record, seed, success, steps):
    """Every step is alike; a success ends with reward 1."""
    flow = np.zeros(steps, np.float32)
    end = np.arange(steps) == steps - 1
    return Episode(
        observation={
            name: np.full((steps + 1, *field.shape), seed % 997, np.float32)
            for name, field in record.schema.observation.items()
        },
        action=np.zeros((steps, 5), np.float32),
        reward=flow + end * np.float32(success),
        discount=1 - flow - end * np.float32(success),
        score=float(success),
        seed=seed,
        policy=record.id,
    )


def judge(space, collectors):
    return gate(Session(space, lambda: collectors, silent), 1)
