"""The gate: is the candidate better than the champion, at a stated chance of being wrong?

The champion's sample is all it collected; the candidate is played in blocks on seeds of its own
until the sequential test decides. Where `[gate] champion` is `fresh`, both are played, in turns. All
that is played is data and stays in the dataset.

Three tests, one interface (`Test`): rates of success against a given sample and in step
(`sequential.py`), and mean scores between 0 and 1 (`betting.py`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np

from .betting import BettingTest
from .config import Gate
from .sequential import calibrate
from .statistics import wilson

EVEN_ROUNDS, EVEN_SHARE = 8, 0.9

Decision = Literal["promoted", "rejected", "undecided"]


class Test(Protocol):
    """A one-sided sequential test, valid at every look up to its cap.

    A tally is what a test keeps of an arm's scores: the number of successes, or all of them.
    """

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
        """By how much a candidate must be better."""
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


@dataclass(frozen=True)
class Verdict:
    """What the gate decided, and on what.

    Attributes:
      decision: see `Decision`; only `promoted` changes the champion.
      reason: one sentence.
      champion: id of the champion.
      candidate: id of the candidate.
      champion_successes: of `champion_n` episodes: all that it collected, or its arm in this gate. Where
        scores lie between 0 and 1, their sum.
      candidate_successes: of `candidate_n` episodes; likewise.
      champion_interval: 95 % Wilson interval of its rate.
      candidate_interval: the same; the stopping rule makes it a little optimistic after a promotion.
      evidence: at the last look: Z of the sequential test, log wealth of the betting test.
      boundary: what it had to exceed there.
      level: chance of a wrong promotion that this round was given.
      episodes_saved: candidate episodes below the cap that were not needed.
      margin: by how much the candidate had to be better.
      test: `rates` or `scores`.
      champion_arm: `collection` or `fresh`.
    """

    decision: Decision
    reason: str
    champion: str
    candidate: str
    champion_successes: float
    champion_n: int
    candidate_successes: float
    candidate_n: int
    champion_interval: tuple[float, float]
    candidate_interval: tuple[float, float]
    evidence: float
    boundary: float
    level: float
    episodes_saved: int
    margin: float = 0.0
    test: Literal["rates", "scores"] = "rates"
    champion_arm: Literal["collection", "fresh"] = "collection"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def round_level(total: float, earlier: Sequence[dict[str, Any]]) -> float:
    """The chance of a wrong promotion that the next round may spend.

    Nine tenths of the total are spread evenly over the first eight rounds, the rest over all later ones
    as 1 / (j (j + 1)), which never runs out. A round inherits what the round before it had if that
    round promoted: a level that led to a promotion was not lost. This is the online
    fallback procedure (Tian and Ramdas, 2021, Stat. Methods Med. Res. 30); the chance of *any* wrong
    promotion in the run stays below `total`, since the levels of all rounds that did not promote, and
    of the first wrong one, never add up to more.

    Args:
      total: the run's budget.
      earlier: verdicts of the rounds before, in order, with `decision` and `level`.
    """
    k = len(earlier) + 1
    inherited = earlier[-1]["level"] if earlier and earlier[-1]["decision"] == "promoted" else 0.0
    j = k - EVEN_ROUNDS
    share = EVEN_SHARE / EVEN_ROUNDS if j <= 0 else (1 - EVEN_SHARE) / (j * (j + 1))
    return total * share + inherited


def make_test(config: Gate, champion_n: int, level: float, *, binary: bool = True) -> Test:
    """The calibrated test of a round, where the champion collected `champion_n` episodes.

    Raises LoopError where `config` asks for what cannot be computed.
    """
    given = 0 if config.champion == "fresh" else champion_n
    if not binary:
        return BettingTest(given, config.cap, config.block, level, config.margin)
    return calibrate(given, config.cap, config.block, level, margin=config.margin, futility=config.futility)


def decide(test: Test, *, names: tuple[str, str], champion: Any, candidate: Any, n: int) -> Verdict | None:
    """The verdict after `n` candidate episodes; None while more are worth playing.

    Args:
      test: the round's.
      names: ids of champion and candidate.
      champion: tally of the champion's sample: its successes, for a test of rates.
      candidate: tally of the candidate.
      n: episodes of the candidate.
    """
    evidence, boundary, given = (
        test.evidence(champion, candidate, n),
        test.boundary(n),
        test.champion_episodes(n),
    )
    total, won = _sum(champion), _sum(candidate)
    rates = f"{won / n:.0%} of {n} against {total / given:.0%} of {given}"
    possible = evidence > boundary or test.can_still_promote(champion, candidate, n)
    if evidence > boundary:
        decision, reason = "promoted", f"{rates}: evidence {evidence:.2f} exceeds {boundary:.2f}"
    elif possible and not test.gives_up(champion, candidate, n):
        return None
    elif won / n < total / given:
        why = "nothing left could promote it" if not possible else "to go on is not worth the episodes"
        decision, reason = "rejected", f"{rates}: it does worse, and {why}"
    elif not possible:
        decision = "undecided"
        reason = f"{rates}: evidence {evidence:.2f} cannot exceed {boundary:.2f} within {test.cap} episodes"
    else:
        decision = "undecided"
        reason = (
            f"{rates}: evidence {evidence:.2f} fell to {test.inner_boundary(n):.2f}, where it is given up"
        )
    if test.margin and decision != "promoted":
        reason += f"; it had to be better by {test.margin:g}"
    if won == total == 0:
        reason += "; neither policy ever succeeded, so there was nothing to compare"
    if won == n and total == given:
        reason += "; both policies always succeeded, so there was nothing to compare"
    return Verdict(
        decision=decision,
        reason=reason,
        champion=names[0],
        candidate=names[1],
        champion_successes=total,
        champion_n=given,
        candidate_successes=won,
        candidate_n=n,
        champion_interval=wilson(total, given),
        candidate_interval=wilson(won, n),
        evidence=round(evidence, 4),
        boundary=round(boundary, 4),
        level=test.level,
        episodes_saved=test.cap - n,
        margin=test.margin,
        test="scores" if isinstance(test, BettingTest) else "rates",
        champion_arm="collection" if test.champion_n else "fresh",
    )


def _sum(tally: Any) -> float:
    return tally if isinstance(tally, int) else round(float(np.sum(tally)), 6)
