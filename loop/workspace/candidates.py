"""Candidates of a run: the one that learning goes on from."""

from .records import Diverged
from .verdict import Verdict
from .workspace import Workspace


def last_candidate(space: Workspace, before: int, after: int = 0) -> str | None:
    """The last candidate of the rounds between two that was learned and not rejected; None for none."""
    for number in range(before - 1, after, -1):
        verdict = space.record(Verdict, number)
        if verdict and verdict.decision != "rejected" and not space.has_record(number, Diverged.STAGE):
            return verdict.candidate
    return None
