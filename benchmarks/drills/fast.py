"""A run that takes seconds and whose candidates really win: a point that is moved to a goal, in this process.

The task is `test/reach` of the tests: 8 steps at most, a goal at random. The demonstrations go towards it
with much noise, so that cloning them succeeds sometimes and what PAC learns from them does much better.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pacloop.actors.registry import find_task  # pyright: ignore[reportMissingImports]
from pacloop.actors.rollout.rollout import rollout  # pyright: ignore[reportMissingImports]
from pacloop.datasets import Episode  # pyright: ignore[reportMissingImports]
from pacloop.learner.checkpoint import PolicyRecord, build_policy  # pyright: ignore[reportMissingImports]
from pacloop.loop.episodes.play import Session  # pyright: ignore[reportMissingImports]
from pacloop.loop.progress import Progress, silent  # pyright: ignore[reportMissingImports]
from pacloop.loop.stages.improve import Improved, improve, play_directly  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.config import parse_config  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.lease import hold  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.place import Place  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.records import Identity  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.workspace import IDENTITY, Workspace  # pyright: ignore[reportMissingImports]

OFFERED = Path(__file__).parents[2] / "tests" / "actors" / "offered"
sys.path.insert(0, str(OFFERED))

TASK = "test/reach"
SETTINGS: dict[str, Any] = {
    "task": TASK,
    "collect": {"episodes": 60, "actors": 1, "environments": 20},
    "learn": {
        "clone_steps": 150,
        "improve_steps": 30,
        "minimum_steps": 300,
        "maximum_steps": 300,
        "batch_size": 48,
        "alpha": 0.3,
        "n_step": 4,
    },
    "act": {"trial_actions": [2, 4], "trial_episodes": 10},
    "gate": {"cap": 100, "block": 20, "level": 0.5},
    "improve": {"until": 1.0, "baseline_episodes": 20, "evaluation_episodes": 20},
    "dataset": {"rlds": "off"},
}
DEMONSTRATIONS = 60
NOISE = 0.6


def python_path() -> str:
    """`PYTHONPATH` of a process that finds the task, and pacloop where this process does."""
    return os.pathsep.join([str(OFFERED), os.environ.get("PYTHONPATH", "")])


class Collectors:
    """What a `CollectorPool` does, in this process: one episode a seed, in the order in which they end."""

    replaced = 0

    def __init__(self, task: str, environments: int) -> None:
        self._task = find_task(task)
        self._environments = [self._task.make() for _ in range(environments)]

    def start(self, seed: int) -> Any:
        return self._task.begin(self._environments[0], seed).observation

    def run(
        self, record: PolicyRecord, weights: bytes, seeds: Sequence[int], task: str = ""
    ) -> Iterator[Episode]:
        assert not task
        yield from rollout(
            self._task,
            build_policy(record, weights),
            seeds,
            environments=self._environments,
            policy_id=record.id,
            history=record.network.history,
        )


class Noisy:
    """Goes towards the goal, with noise."""

    def begin(self, random: np.random.Generator) -> np.random.Generator:
        return random

    def act(self, observation: Any, memories: Sequence[np.random.Generator]) -> np.ndarray:
        arm = observation["arm"][:, -1]
        noise = np.stack([random.normal(0, NOISE, 2) for random in memories])
        return np.clip((arm[:, 2:] - arm[:, :2]) / 2 + noise, -1, 1).astype(np.float32)

    def info(self, memory: np.random.Generator) -> dict[str, Any]:
        return {}


def make(place: Place, **settings: dict[str, Any]) -> Workspace:
    """A workspace of the fast task, with its demonstrations."""
    sections = SETTINGS | {name: SETTINGS.get(name, {}) | more for name, more in settings.items()}
    space = Workspace.create(place, parse_config(sections, "the drill's settings"))
    space.create_json(IDENTITY, Identity(id="d" * 16).model_dump())  # runs that are compared share one
    task, seeds = space.task, range(100, 100 + DEMONSTRATIONS)
    episodes = list(rollout(task, Noisy(), seeds, environments=[task.make() for _ in range(20)]))
    episodes.sort(key=lambda episode: episode.seed or 0)
    space.make_store(task.schema).append(
        episodes, batch_id="demonstrations-0", source="demonstration", round=0
    )
    return space


def run(place: Place, rounds: int, progress: Progress = silent) -> Improved:
    """What `pacloop improve --rounds ROUNDS` does, without Ray and Prefect."""
    space = Workspace.open(place)
    with hold(space, progress):
        space.make_store(space.task.schema).clean()
        collectors: Any = Collectors(TASK, space.config.collect.environments)
        return improve(space, play_directly(Session(space, lambda: collectors, progress)), rounds=rounds)
