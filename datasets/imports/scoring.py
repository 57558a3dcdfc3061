"""How an episode that came from outside gets its score, and its rewards where it has none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import DatasetError
from .readers.raw import RawEpisode, flat_name


@dataclass(frozen=True)
class EpisodeScore:
    """What is known of how an episode went.

    Attributes:
      score: must lie in [0, 1], which `validate` checks.
      reward: `[T]`, float32, for a file without rewards; None where the scoring knows none.
      terminal: whether the environment ended it, likewise.
      info: what to keep about the scoring.
    """

    score: float
    reward: np.ndarray | None = None
    terminal: bool | None = None
    info: Mapping[str, float] | None = None


Scorer = Callable[[RawEpisode, Mapping[str, np.ndarray], np.ndarray], EpisodeScore]
"""The score of an episode, from what its file says and its observations `[T+1, ...]` and actions `[T, A]`
as our schema has them; rewards `[T]` and discounts are float32 already. Raises DatasetError, saying why,
where it cannot."""


def file_score(task_score: Callable[[np.ndarray], float] | None) -> Scorer:
    """The file's own score; where it has none, the task's score of the file's rewards."""

    def scorer(raw: RawEpisode, _observation: Mapping[str, np.ndarray], _action: np.ndarray) -> EpisodeScore:
        if raw.score is not None:
            return EpisodeScore(raw.score)
        if raw.reward is None:
            raise DatasetError("has neither a score nor rewards: give one with --score, see --help")
        if task_score is None:
            raise DatasetError(
                "has rewards but no score, and this machine does not know the task: use --score"
            )
        return EpisodeScore(float(task_score(raw.reward)))

    return scorer


def constant_score(value: float) -> Scorer:
    """The same score for every episode. Raises DatasetError where it is outside [0, 1]."""
    if not 0.0 <= value <= 1.0:
        raise DatasetError(f"score is {value:g}, but must lie in [0, 1]")
    return lambda _raw, _observation, _action: EpisodeScore(value)


def column_score(name: str) -> Scorer:
    """The largest value of a column of the file within the episode: for a flag, whether it was ever set."""
    flat = flat_name(name)

    def scorer(raw: RawEpisode, _observation: Mapping[str, np.ndarray], _action: np.ndarray) -> EpisodeScore:
        values = raw.columns.get(flat, raw.observation.get(flat))
        if values is None or not np.size(values) or np.asarray(values).dtype.kind not in "fiub":
            raise DatasetError(f"has no numbers in a column {name} to take the score from")
        return EpisodeScore(float(np.max(values)))

    return scorer
