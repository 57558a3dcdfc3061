"""The gate: is the candidate better than the champion, at a stated chance of being wrong?

The champion's sample is all it collected; the candidate is played in blocks on seeds of its own
until the sequential test decides (`sequential.py`). All it plays is data and stays in the dataset.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from .config import Gate
from .sequential import SequentialTest, calibrate
from .statistics import wilson

EVEN_ROUNDS, EVEN_SHARE = 8, 0.9

Decision = Literal["promoted", "rejected", "undecided"]


@dataclass(frozen=True)
class Verdict:
    """What the gate decided, and on what.

    Attributes:
      decision: see `Decision`; only `promoted` changes the champion.
      reason: one sentence.
      champion: id of the champion.
      candidate: id of the candidate.
      champion_successes: of `champion_n` episodes, all that it collected.
      candidate_successes: of `candidate_n` episodes.
      champion_interval: 95 % Wilson interval of its rate.
      candidate_interval: the same; the stopping rule makes it a little optimistic after a promotion.
      evidence: Z at the last look.
      boundary: what Z had to exceed there.
      level: chance of a wrong promotion that this round was given.
      episodes_saved: candidate episodes below the cap that were not needed.
    """

    decision: Decision
    reason: str
    champion: str
    candidate: str
    champion_successes: int
    champion_n: int
    candidate_successes: int
    candidate_n: int
    champion_interval: tuple[float, float]
    candidate_interval: tuple[float, float]
    evidence: float
    boundary: float
    level: float
    episodes_saved: int

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


def make_test(config: Gate, champion_n: int, level: float) -> SequentialTest:
    """The calibrated test of a round."""
    return calibrate(champion_n, config.cap, config.block, level)


def decide(
    test: SequentialTest, *, names: tuple[str, str], champion: int, candidate: int, n: int
) -> Verdict | None:
    """The verdict after `n` candidate episodes; None while more are worth playing.

    Args:
      test: the round's.
      names: ids of champion and candidate.
      champion: successes in the champion's sample.
      candidate: successes of the candidate.
      n: episodes of the candidate.
    """
    evidence, boundary = test.evidence(champion, candidate, n), test.boundary(n)
    rates = f"{candidate / n:.0%} of {n} against {champion / test.champion_n:.0%} of {test.champion_n}"
    if evidence > boundary:
        decision, reason = "promoted", f"{rates}: evidence {evidence:.2f} exceeds {boundary:.2f}"
    elif test.can_still_promote(champion, candidate, n):
        return None
    elif evidence < 0:
        decision, reason = "rejected", f"{rates}: it does worse, and nothing left could promote it"
    else:
        decision = "undecided"
        reason = f"{rates}: evidence {evidence:.2f} cannot exceed {boundary:.2f} within {test.cap} episodes"
    if candidate == champion == 0:
        reason += "; neither policy ever succeeded, so there was nothing to compare"
    return Verdict(
        decision=decision,
        reason=reason,
        champion=names[0],
        candidate=names[1],
        champion_successes=champion,
        champion_n=test.champion_n,
        candidate_successes=candidate,
        candidate_n=n,
        champion_interval=wilson(champion, test.champion_n),
        candidate_interval=wilson(candidate, n),
        evidence=round(evidence, 4),
        boundary=round(boundary, 4),
        level=test.level,
        episodes_saved=test.cap - n,
    )
