"""The gate: is the candidate better than the champion, at a stated chance of being wrong?

The champion's sample is all it collected; the candidate is played in blocks on seeds of its own
until the sequential test decides. Where `[gate] champion` is `fresh`, both are played, in turns. All
that is played is data and stays in the dataset.

Four tests, one interface (`Test`): rates of success against a given sample and in step
(`sequential.py`), in step on the same start states (`paired.py`), and mean scores between 0 and 1
(`betting.py`).

A candidate may have to be no worse in other figures (`guards.py`) and on other tasks, by a margin each.
It is promoted only where all of these tests say so, so each has the whole level of the round, and the
chance that a candidate is promoted that is no better on the target, *or* worse by more than its margin in
any one of the others, stays below that level (intersection-union; Berger, 1982, Technometrics 24). What is
paid is power: all must be shown.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ..statistics.betting import BettingTest
from ..statistics.paired import PairedTest
from ..statistics.sequential import calibrate
from ..statistics.wilson import wilson
from ..workspace.config import Gate
from ..workspace.verdict import Decision, Guarded, Kind, Verdict

EVEN_ROUNDS, EVEN_SHARE = 8, 0.9


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


def round_level(total: float, earlier: Sequence[Verdict]) -> float:
    """The chance of a wrong promotion that the next round may spend.

    Nine tenths of the total are spread evenly over the first eight rounds, the rest over all later ones
    as 1 / (j (j + 1)), which never runs out. A round inherits what the round before it had if that
    round promoted: a level that led to a promotion was not lost. This is the online
    fallback procedure (Tian and Ramdas, 2021, Stat. Methods Med. Res. 30); the chance of *any* wrong
    promotion in the run stays below `total`, since the levels of all rounds that did not promote, and
    of the first wrong one, never add up to more.

    Args:
      total: the run's budget.
      earlier: verdicts of the rounds before, in order.
    """
    k = len(earlier) + 1
    inherited = earlier[-1].level if earlier and earlier[-1].decision == "promoted" else 0.0
    j = k - EVEN_ROUNDS
    share = EVEN_SHARE / EVEN_ROUNDS if j <= 0 else (1 - EVEN_SHARE) / (j * (j + 1))
    return total * share + inherited


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


def decide(
    test: Test,
    *,
    names: tuple[str, str],
    champion: Any,
    candidate: Any,
    n: int,
    guards: Sequence[Guarded] = (),
) -> Verdict | None:
    """The verdict after `n` candidate episodes; None while more are worth playing.

    Args:
      test: the round's.
      names: ids of champion and candidate.
      champion: tally of the champion's sample: its successes, for a test of rates.
      candidate: tally of the candidate.
      n: episodes of the candidate.
      guards: what this look found of each.
    """
    decision = _decision(test, champion, candidate, n, guards)
    if decision is None:
        return None
    total, won, given = _sum(champion), _sum(candidate), test.champion_episodes(n)
    reason = f"{won / n:.0%} of {n} against {total / given:.0%} of {given}: {decision[1]}"
    if test.margin > 0 and decision[0] != "promoted":
        reason += f"; it had to be better by {test.margin:g}"
    if test.margin < 0:
        reason += f"; it may be worse by {-test.margin:g}"
    if won == total == 0:
        reason += "; neither policy ever succeeded, so there was nothing to compare"
    if won == n and total == given:
        reason += "; both policies always succeeded, so there was nothing to compare"
    evidence = round(test.evidence(champion, candidate, n), 4)
    verdict = decided(test, (decision[0], reason), names=names, champion=total, given=given)
    return verdict.model_copy(
        update={
            "candidate_successes": won,
            "candidate_n": n,
            "candidate_interval": wilson(won, n),
            "evidence": evidence,
            "boundary": round(test.boundary(n), 4),
            "episodes_saved": test.cap - n,
            "guards": tuple(guards),
        }
    )


def decided(
    test: Test, decision: tuple[Decision, str], *, names: tuple[str, str], champion: float, given: int
) -> Verdict:
    """A verdict with its reason, before the candidate has played: champion's score and episodes."""
    return Verdict(
        decision=decision[0],
        reason=decision[1],
        champion=names[0],
        candidate=names[1],
        champion_successes=champion,
        champion_n=given,
        candidate_successes=0,
        candidate_n=0,
        champion_interval=wilson(champion, given),
        candidate_interval=wilson(0, 0),
        evidence=0.0,
        boundary=round(test.boundary(test.cap), 4),
        level=test.level,
        episodes_saved=test.cap,
        margin=test.margin,
        test=test.kind,
        champion_arm="collection" if test.champion_n else "paired" if test.kind == "pairs" else "fresh",
    )


def _decision(
    test: Test, champion: Any, candidate: Any, n: int, guards: Sequence[Guarded]
) -> tuple[Decision, str] | None:
    """The decision and why; None while more episodes are worth playing."""
    evidence, boundary = test.evidence(champion, candidate, n), test.boundary(n)
    open_ = [guard.sentence() for guard in guards if guard.state == "open"]
    if broken := [guard.sentence() for guard in guards if guard.state == "broken"]:
        return "rejected", "it is worse than a guard allows: " + "; ".join(broken)
    if evidence > boundary:
        why = f"evidence {evidence:.2f} exceeds {boundary:.2f}"
        if not open_:
            kept = [f"no worse: {guard.sentence()}" for guard in guards]
            return "promoted", "; ".join([why, *kept])
        if n < test.cap:
            return None
        worse = any(guard.state == "open" and guard.worse for guard in guards)
        why += ", but it is not shown to be no worse: " + "; ".join(open_)
        return "rejected" if worse else "undecided", why
    possible = test.can_still_promote(champion, candidate, n)
    if possible and not test.gives_up(champion, candidate, n):
        return None
    if _sum(candidate) / n - _sum(champion) / test.champion_episodes(n) < min(test.margin, 0.0):
        why = "nothing left could promote it" if not possible else "to go on is not worth the episodes"
        return "rejected", f"it does worse, and {why}"
    if not possible:
        why = f"evidence {evidence:.2f} cannot exceed {boundary:.2f} within {test.cap} episodes"
        return "undecided", why
    return "undecided", f"evidence {evidence:.2f} fell to {test.inner_boundary(n):.2f}, where it is given up"


def _sum(tally: Any) -> float:
    return tally if isinstance(tally, int) else round(float(np.sum(tally)), 6)
