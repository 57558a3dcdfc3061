"""A task as another package would offer it: a point is moved to a goal. Small, exact, and told to hang.

Where the folder PACLOOP_TEST_SIGNALS holds a file `hang-<pid>`, the process with that number takes it
away, writes its number into the pipe `hung` there, and never steps again.
"""

import importlib
import os
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import dm_env
import numpy as np
from dm_env import specs

from pacloop.actors.task import Task
from pacloop.datasets import Field, Schema

HORIZON = 8
STUCK_SEED = 13


class Reach(dm_env.Environment):
    def __init__(self, reach=1.0):
        self._seed, self._reach = 0, reach

    def seed(self, seed):
        self._seed = seed

    def reset(self):
        if self._seed == STUCK_SEED:
            raise RuntimeError("the arm is stuck")
        self._place, self._goal = np.random.default_rng(self._seed).uniform(-self._reach, self._reach, (2, 2))
        self._clock = 0
        return dm_env.restart(self._observe())

    def step(self, action):
        _hang_if_told()
        self._place = self._place + 0.4 * np.asarray(action, float)
        self._clock += 1
        if np.hypot(*(self._goal - self._place)) < 0.4:
            return dm_env.termination(reward=1.0, observation=self._observe())
        if self._clock == HORIZON:
            return dm_env.truncation(reward=0.0, observation=self._observe(), discount=1.0)
        return dm_env.transition(reward=0.0, observation=self._observe(), discount=1.0)

    def observation_spec(self):
        return {
            "arm": specs.Array((4,), np.float32, "arm"),
            "clock": specs.Array((), np.float32, "clock"),
        }

    def action_spec(self):
        return specs.BoundedArray((2,), np.float32, -1.0, 1.0, "action")

    def measures(self):
        """Nothing is touched: what it measures is the step."""
        return {"contact_force": self._clock}

    def _observe(self):
        arm = np.concatenate([self._place, self._goal]).astype(np.float32)
        return {"arm": arm, "clock": np.float32(self._clock)}


def _hang_if_told():
    if "PACLOOP_TEST_SIGNALS" not in os.environ:
        return
    folder = Path(os.environ["PACLOOP_TEST_SIGNALS"])
    try:
        (folder / f"hang-{os.getpid()}").unlink()
    except FileNotFoundError:
        return
    (folder / "hung").write_text(str(os.getpid()))
    threading.Event().wait()


def task():
    schema = Schema(
        task="test/reach",
        observation={"arm": Field((4,)), "clock": Field(())},
        action=Field((2,)),
        action_minimum=(-1.0, -1.0),
        action_maximum=(1.0, 1.0),
        control_hz=10,
        horizon=HORIZON,
    )
    return Task(schema, Reach, score=lambda rewards: float(rewards.sum()), time_limit_is_terminal=True)


def near():
    """The goal is never far."""
    far = task()
    return replace(
        far,
        schema=replace(far.schema, task="test/reach-near"),
        make=partial(Reach, 0.5),
    )


def unmakable():
    """Its environment needs a package that is not there."""
    far = task()

    def make():
        return importlib.import_module("no_such_simulator").Environment()

    return replace(far, schema=replace(far.schema, task="test/unmakable"), make=make)
