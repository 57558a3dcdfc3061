"""A comparison of two policies: on a task, block by block, and then on every further task.

The gate (`judging.py`) and comparisons by hand (`measuring.py`) both run through here.
"""

from collections.abc import Sequence
from dataclasses import replace

from ...datasets import Batch
from ..episodes.play import Play, Pool
from ..errors import LoopError
from ..progress import Noted, Progress
from ..statistics.paired import pairing
from ..workspace.verdict import Guarded, Verdict
from ..workspace.workspace import Workspace
from .arms import Arm, arms
from .comparison import Test, decide, make_test
from .guards import Guard, look

OTHERS = 2**16
"""Seeds that each further task has for itself."""


def contest(
    space: Workspace,
    pool: Pool,
    progress: Progress,
    test: Test,
    *,
    champion: str,
    new: Play,
    old: Play | None,
    given: Sequence[Batch] = (),
    guards: Sequence[Guard] = (),
) -> Verdict:
    """Compare a candidate with a champion, block by block, until the test decides.

    Blocks that are committed already are found again, so a comparison that was killed goes on with the
    evidence it had.

    Args:
      space: the workspace.
      pool: gives the collectors.
      progress: told what goes on.
      test: decides; `make_test` knows which fits.
      champion: id of the champion.
      new: the candidate's episodes.
      old: the champion's, where it is played too; on the same seeds, both are paired.
      given: the champion's sample, where it is not.
      guards: in what the candidate must be no worse.
    """
    n, told = 0, Noted(progress)
    for before, after in arms(space, pool, told, new=new, old=old, given=given, guards=guards):
        n = after.n
        tallies = test.tally(before.scores), test.tally(after.scores)
        told.also = f", evidence {test.evidence(*tallies, n):.2f} of {test.boundary(n):.2f}"
        verdict = decide(
            test,
            names=(champion, new.policy),
            champion=tallies[0],
            candidate=tallies[1],
            n=n,
            guards=_looks(guards, before, after, test.level),
        )
        if verdict:
            paired = old is not None and (old.purpose, old.first) == (new.purpose, new.first)
            found = pairing(before.scores, after.scores) if paired else None
            arm = "paired" if paired else verdict.champion_arm
            return verdict.model_copy(update={"task": new.task, "champion_arm": arm, "pairing": found})
    raise LoopError(f"{new.name} of round {new.round} ended without a verdict after {n} episodes")


def elsewhere(space: Workspace, pool: Pool, progress: Progress, verdict: Verdict, target: Play) -> Verdict:
    """The verdict once the winner was compared on every further task too, or failed on one.

    Both arms are played there, in step. A sample that the champion keeps would seldom serve twice: a
    candidate that gets here and is no worse replaces the champion.
    """
    settings = space.config.gate
    for k, (task, margin) in enumerate(settings.others.items(), start=1):
        asked = settings.model_copy(update={"champion": "fresh", "margin": -margin, "futility": 0.0})
        test = make_test(asked, 0, verdict.level, binary=verdict.test != "scores")
        new = replace(target, first=k * OTHERS, task=task)
        old = replace(new, name="gate-champion", policy=verdict.champion, purpose="reference")
        found = contest(space, pool, progress, test, champion=verdict.champion, new=new, old=old)
        verdict = verdict.model_copy(update={"others": (*verdict.others, found)})
        if found.decision != "promoted":
            reason = f"{verdict.reason}; but on {task} {found.reason}"
            return verdict.model_copy(update={"decision": found.decision, "reason": reason})
        reason = f"{verdict.reason}; on {task} no worse: {found.reason}"
        verdict = verdict.model_copy(update={"reason": reason})
    return verdict


def _looks(guards: Sequence[Guard], before: Arm, after: Arm, level: float) -> list[Guarded]:
    return [look(guard, before.numbers[guard.name], after.numbers[guard.name], level) for guard in guards]
