"""What a sequential test is, and which of them a round needs.

A test is one-sided and valid at every look up to its `cap` of candidate episodes: with at most `level` chance
it promotes a candidate that is not better by `margin` (negative: worse by more than that). Its `evidence`
grows with every score of the candidate and must exceed the `boundary`. It stops where no continuation can
promote any more, or where the evidence has fallen to the inner boundary, which only a test of rates has.
"""

from typing import Any

import numpy as np

from ..statistics.betting import BettingTest
from ..statistics.paired import PairedTest
from ..statistics.sequential import SequentialTest, calibrate
from ..workspace.config import Gate

Test = SequentialTest | PairedTest | BettingTest
"""Of rates of success, against a given sample or in step; of the same in step on the same start states; of
mean scores between 0 and 1."""


def tally(test: Test, scores: np.ndarray) -> Any:
    """What `evidence` takes of an arm: the number of successes, or all scores as they were played."""
    return int((scores >= 1.0).sum()) if isinstance(test, SequentialTest) else scores


def make_test(config: Gate, champion_n: int, level: float, *, binary: bool = True) -> Test:
    """The calibrated test of a round, where the champion collected `champion_n` episodes.

    Raises LoopError where `config` asks for what cannot be computed.
    """
    given = champion_n if config.champion == "collection" else 0
    if not binary or (config.champion == "paired" and config.margin):
        return BettingTest(given, config.cap, config.block, level, config.margin)
    if config.champion == "paired":
        return PairedTest(config.cap, config.block, level)
    return calibrate(given, config.cap, config.block, level, margin=config.margin, futility=config.futility)
