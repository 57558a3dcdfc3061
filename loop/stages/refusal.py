"""Candidates that are rejected without a comparison: a trusted screen says no, or they cannot act."""

from collections.abc import Callable

import numpy as np

from ...actors.rollout.rollout import PolicyError
from ..gate.comparison import Test, Verdict
from ..gate.critic import sentence
from ..statistics.wilson import wilson
from ..workspace.workspace import Workspace


def unless_refused(
    space: Workspace,
    number: int,
    compare: Callable[[], Verdict],
    *,
    test: Test,
    names: tuple[str, str],
    champion: np.ndarray,
) -> Verdict:
    """The verdict of `compare`, where there is anything to compare.

    Args:
      space: the workspace.
      number: the round.
      compare: plays until there is a verdict.
      test: the round's.
      names: ids of champion and candidate.
      champion: scores of the champion's given sample.
    """
    screened = space.outcome(number, "screen")
    if screened and screened["rejects"]:
        reason = f"the critics say no, and have been right before: {sentence(screened)}"
        return _refused(test, names, champion, reason)
    try:
        return compare()
    except PolicyError as error:
        if error.policy != names[1]:
            raise
        return _refused(test, names, champion, str(error))


def _refused(test: Test, names: tuple[str, str], champion: np.ndarray, reason: str) -> Verdict:
    total, given = float(champion.sum()), len(champion)
    return Verdict(
        decision="rejected",
        reason=reason,
        champion=names[0],
        candidate=names[1],
        champion_successes=total,
        champion_n=given,
        candidate_successes=0,
        candidate_n=0,
        champion_interval=wilson(total, given),
        candidate_interval=wilson(0, 0),
        evidence=0.0,
        boundary=round(test.boundary(test.cap), 4),
        level=test.level,
        episodes_saved=test.cap,
        margin=test.margin,
        test=test.kind,
        champion_arm="collection" if test.champion_n else "fresh",
    )
