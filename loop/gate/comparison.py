"""What a sequential test is, and which of them a round needs.

Four tests, one interface (`Test`): rates of success against a given sample and in step
(`sequential.py`), in step on the same start states (`paired.py`), and mean scores between 0 and 1
(`betting.py`).
"""

from typing import Any, Protocol

import numpy as np

from ..statistics.betting import BettingTest
from ..statistics.paired import PairedTest
from ..statistics.sequential import calibrate
from ..workspace.config import Gate
from ..workspace.verdict import Kind


class Test(Protocol):
    """A one-sided sequential test, valid at every look up to its cap.

    A tally is what a test keeps of an arm's scores: the number of successes, or all of them.
    """

    @property
    def kind(self) -> Kind:
        """What is compared."""
        ...

    @property
    def champion_n(self) -> int:
        """Episodes of the given sample; 0 where both arms are fresh."""
        ...

    @property
    def cap(self) -> int:
        """Most candidate episodes."""
        ...

    @property
    def level(self) -> float:
        """Chance to promote a candidate that is no better."""
        ...

    @property
    def margin(self) -> float:
        """By how much a candidate must be better; negative: by how much it may be worse."""
        ...

    def champion_episodes(self, n: int) -> int:
        """Episodes of the champion after `n` of the candidate."""
        ...

    def tally(self, scores: np.ndarray) -> Any:
        """The tally of an arm's scores, in the order played."""
        ...

    def evidence(self, champion: Any, candidate: Any, n: int) -> float:
        """Grows with every score of the candidate."""
        ...

    def boundary(self, n: int) -> float:
        """What the evidence must exceed."""
        ...

    def inner_boundary(self, n: int) -> float:
        """The evidence at which the comparison is given up."""
        ...

    def can_still_promote(self, champion: Any, candidate: Any, n: int) -> bool:
        """Whether any continuation up to the cap promotes."""
        ...

    def gives_up(self, champion: Any, candidate: Any, n: int) -> bool:
        """Whether the evidence has fallen to the inner boundary."""
        ...


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
