"""What the gate decides: is the candidate better than the champion, at a stated chance of being wrong?

A candidate may have to be no worse in other figures (`guards.py`) and on other tasks, by a margin each.
It is promoted only where all of these tests say so, so each has the whole level of the round, and the
chance that a candidate is promoted that is no better on the target, *or* worse by more than its margin in
any one of the others, stays below that level (intersection-union; Berger, 1982, Technometrics 24). What is
paid is power: all must be shown.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..statistics.sequential import SequentialTest
from ..statistics.wilson import wilson
from ..workspace.verdict import Decision, Guarded, Verdict
from .comparison import Test


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

    `names` are the ids of champion and candidate, `champion` and `candidate` their tallies, and `guards`
    the states of the guards at this look.
    """
    outcome = _decision(test, champion, candidate, n, guards)
    if outcome is None:
        return None
    total, won, given = _sum(champion), _sum(candidate), (test.champion_n or n)
    decision, why = outcome
    if test.margin > 0 and decision != "promoted":
        why += f"; it had to be better by {test.margin:g}"
    if test.margin < 0:
        why += f"; it may be worse by {-test.margin:g}"
    if won == total == 0:
        why += "; neither policy ever succeeded, so there was nothing to compare"
    if won == n and total == given:
        why += "; both policies always succeeded, so there was nothing to compare"
    reason = f"{won / n:.0%} of {n} against {total / given:.0%} of {given}: {why}"
    played = {
        "candidate_successes": won,
        "candidate_n": n,
        "candidate_interval": wilson(won, n),
        "evidence": round(test.evidence(champion, candidate, n), 4),
        "boundary": round(test.boundary(n), 4),
        "episodes_saved": test.cap - n,
        "guards": tuple(guards),
    }
    verdict = decided(test, (decision, reason), names=names, champion=total, given=given)
    return verdict.model_copy(update=played)


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
        champion_interval=wilson(champion, given),
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
    if broken := [guard.sentence() for guard in guards if guard.state == "broken"]:
        return "rejected", "it is worse than a guard allows: " + "; ".join(broken)
    if evidence > boundary:
        return _winner(f"evidence {evidence:.2f} exceeds {boundary:.2f}", guards, at_cap=n >= test.cap)
    given_up_at = test.gives_up(champion, candidate, n) if isinstance(test, SequentialTest) else None
    possible = test.can_still_promote(champion, candidate, n)
    if possible and given_up_at is None:
        return None
    if _sum(candidate) / n - _sum(champion) / (test.champion_n or n) < min(test.margin, 0.0):
        why = "nothing left could promote it" if not possible else "to go on is not worth the episodes"
        return "rejected", f"it does worse, and {why}"
    if not possible:
        why = f"evidence {evidence:.2f} cannot exceed {boundary:.2f} within {test.cap} episodes"
        return "undecided", why
    return "undecided", f"evidence {evidence:.2f} fell to {given_up_at:.2f}, where it is given up"


def _winner(why: str, guards: Sequence[Guarded], *, at_cap: bool) -> tuple[Decision, str] | None:
    """A candidate that is shown to be better must keep every guard; it is played on while one is open."""
    unproven = [guard for guard in guards if guard.state == "open"]
    if not unproven:
        return "promoted", "; ".join([why, *(f"no worse: {guard.sentence()}" for guard in guards)])
    if not at_cap:
        return None
    sentences = "; ".join(guard.sentence() for guard in unproven)
    decision = "rejected" if any(guard.worse for guard in unproven) else "undecided"
    return decision, f"{why}, but it is not shown to be no worse: {sentences}"


def _sum(tally: Any) -> float:
    return tally if isinstance(tally, int) else round(float(np.sum(tally)), 6)
