"""A score by replay: the task's own simulator takes an episode's actions again, from the episode's seed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ...datasets import DatasetError
from ...datasets.imports.readers.raw import RawEpisode
from ...datasets.imports.scoring import EpisodeScore, Scorer

if TYPE_CHECKING:
    from ...actors.task import Task

SAME_START = 1e-3
"""How far a number of the first observation may lie from the recorded one, absolutely and relatively."""


def replay_score(task: "Task") -> Scorer:
    """Scores, rewards and ends as the simulator gives them; `info` says how far it ended from the record.

    Refuses an episode without a seed, one whose seed gives another start, and one that the simulator
    ends before its actions do. Raises PacloopError where the task's episodes are not played again.
    """
    environment = task.make_for_replay()

    def scorer(raw: RawEpisode, observation: Mapping[str, np.ndarray], action: np.ndarray) -> EpisodeScore:
        if raw.seed is None or raw.seed < 0:
            raise DatasetError("has no seed, so the simulator cannot replay it: give its score otherwise")
        start = task.begin(environment, raw.seed).observation
        numbers = {name: values for name, values in observation.items() if values.dtype.kind == "f"}
        for name, values in numbers.items():
            if not np.allclose(start[name], values[0], SAME_START, SAME_START):
                start_of = f"{task.name} does from seed {raw.seed}"
                raise DatasetError(f"starts otherwise than {start_of}: {name} differs")
        steps = []
        for number, command in enumerate(action, start=1):
            steps.append(environment.step(command))
            if steps[-1].last() and number < len(action):
                raise DatasetError(f"has {len(action)} actions, but the simulator ended it after {number}")
        reward = np.asarray([step.reward for step in steps], np.float32)
        ended = bool(steps[-1].last() and steps[-1].discount == 0.0)
        last = steps[-1].observation
        errors = (float(np.abs(last[name] - values[-1]).max()) for name, values in numbers.items())
        return EpisodeScore(
            float(task.score(reward)), reward, ended, {"replay_error": max(errors, default=0.0)}
        )

    return scorer
