"""A task that misbehaves by seed in every way that was thought of, and the same task sound.

A point is moved to a goal. `FAULTS[seed % EVERY]` is what goes wrong in the episode of a seed; the others are
played as in the sound task. What goes wrong ONCE leaves a file in the folder PACLOOP_DRILL.
"""

import os
import threading
from functools import partial
from pathlib import Path
from typing import Any

import dm_env
import numpy as np
from dm_env import specs

from pacloop.actors.task import Task  # pyright: ignore[reportMissingImports]
from pacloop.datasets import Field, Schema  # pyright: ignore[reportMissingImports]

HORIZON = 8
EVERY = 30
ONCE = "once"

PLAYED = ("reuses buffers", "writes on actions", "overruns", "float64", "a field too many")
"""Faults in spite of which the episode is played as in the sound task."""
RETRIED = ("raises once", "dies once")
FAILING = (
    "raises in reset",
    "raises in step",
    "NaN observation",
    "another shape",
    "a field is missing",
    "text for numbers",
    "reward is no number",
    "score beyond 1",
    "blocks",
    "dies",
)
"""Faults with which no try ends."""
FAULTS = dict(enumerate((*PLAYED, *RETRIED, *FAILING), start=5))


def fault_of(seed: int) -> str:
    """What goes wrong in the episode of a seed; "" where nothing does."""
    return FAULTS.get(seed % EVERY, "")


class Point(dm_env.Environment):
    """Moves a point in the plane."""

    def __init__(self, *, misbehaves: bool) -> None:
        self._misbehaves, self._seed = misbehaves, 0
        self._buffer = {"arm": np.zeros(4, np.float32), "clock": np.zeros((), np.float32)}

    def seed(self, seed: int) -> None:
        self._seed = seed

    def reset(self) -> dm_env.TimeStep:
        self._fault = fault_of(self._seed) if self._misbehaves else ""
        if self._fault == "raises in reset":
            raise RuntimeError("the arm is stuck")
        self._place, self._goal = np.random.default_rng(self._seed).uniform(-1, 1, (2, 2))
        self._clock = 0
        return dm_env.restart(self._observe())

    def step(self, action: np.ndarray) -> dm_env.TimeStep:
        self._place = self._place + 0.4 * np.asarray(action, float)
        self._clock += 1
        if self._clock == 1:
            self._misbehave()
        if self._fault == "writes on actions":
            action[:] = 7.0
        observation: Any = self._observe()
        reward: Any = 2.0 if self._fault == "score beyond 1" else 0.0
        if self._fault == "reward is no number":
            reward = "a lot"
        if np.hypot(*(self._goal - self._place)) < 0.4:
            return dm_env.termination(reward=reward or 1.0, observation=observation)
        if self._clock == HORIZON and self._fault != "overruns":
            return dm_env.truncation(reward=reward, observation=observation, discount=1.0)
        return dm_env.transition(reward=reward, observation=observation, discount=1.0)

    def observation_spec(self) -> Any:
        return {name: specs.Array(value.shape, value.dtype) for name, value in self._buffer.items()}

    def action_spec(self) -> Any:
        return specs.BoundedArray((2,), np.float32, -1.0, 1.0)

    def _misbehave(self) -> None:
        if self._fault == "raises in step":
            raise ValueError("no such joint")
        if self._fault.endswith(ONCE):
            mark = Path(os.environ["PACLOOP_DRILL"]) / str(self._seed)
            if not mark.exists():
                mark.touch()
                self._fault = self._fault.removesuffix(f" {ONCE}")
                if self._fault == "raises":
                    raise RuntimeError("this time")
        if self._fault == "dies":
            os._exit(7)
        if self._fault == "blocks":
            threading.Event().wait()

    def _observe(self) -> dict[str, Any]:
        arm = np.concatenate([self._place, self._goal])
        observation: dict[str, Any] = {"arm": arm.astype(np.float32), "clock": np.float32(self._clock)}
        late = self._clock == 1
        if self._fault == "reuses buffers":
            self._buffer["arm"][:] = arm
            self._buffer["clock"][()] = self._clock
            return self._buffer
        if self._fault == "float64":
            return {"arm": arm, "clock": self._clock}
        if self._fault == "a field too many":
            observation["camera"] = np.zeros(3)
        if self._fault == "NaN observation" and late:
            observation["arm"][1] = np.nan
        if self._fault == "another shape" and late:
            observation["arm"] = arm[:3]
        if self._fault == "a field is missing":
            del observation["arm"]
        if self._fault == "text for numbers":
            observation["clock"] = "three"
        return observation


def task(misbehaves: bool = True) -> Task:
    """The task that misbehaves."""
    schema = Schema(
        task="drill/misbehaving" if misbehaves else "drill/sound",
        observation={"arm": Field((4,)), "clock": Field(())},
        action=Field((2,)),
        action_minimum=(-1.0, -1.0),
        action_maximum=(1.0, 1.0),
        control_hz=10,
        horizon=HORIZON,
    )
    make = partial(Point, misbehaves=misbehaves)
    return Task(
        schema, make, lambda rewards: float(rewards.sum()), time_limit_is_terminal=True, seed_limit=2**63
    )


def sound() -> Task:
    """The same task without a fault."""
    return task(misbehaves=False)
