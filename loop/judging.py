"""The gate as a stage: champion and candidate are compared until there is a verdict, which goes on record.

A comparison by hand (`measuring.py`) runs through the same `contest`.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..datasets import Batch
from .alarm import batch_scores, champion_record
from .arms import Arm, arms, collected
from .errors import LoopError
from .gate import Test, Verdict, decide, make_test, round_level
from .guards import Guard, Guarded, guards_of, look
from .paired import pairing
from .play import Play, Pool
from .progress import Progress, Stopwatch
from .workspace import Outcome, Workspace

OTHERS = 2**16
"""Seeds that each further task has for itself."""


def check_gate(space: Workspace) -> None:
    """Raise LoopError where the settings ask the gate for what it cannot give, before anything is played."""
    guards_of(space)
    for task in space.config.gate.others:
        space.store_of(task)


def judge(space: Workspace, number: int, pool: Pool, progress: Progress) -> Outcome:
    """Play the candidate until the tests decide, and record the verdict."""
    watch, settings = Stopwatch(), space.config.gate
    champion, candidate = (
        space.require(number, "collect")["champion"],
        space.require(number, "race")["policy"],
    )
    earlier = [verdict for k in space.rounds() if k < number and (verdict := space.outcome(k, "gate"))]
    given = collected(space, number, champion)
    sample = _scores(space, given)
    binary = bool(np.isin(sample, (0.0, 1.0)).all())
    test = make_test(settings, len(sample), round_level(settings.level, earlier), binary=binary)
    new = Play("gate", candidate, "gate", "evaluation", number, settings.cap, settings.block)
    old = None
    if settings.champion != "collection":
        seeds = "gate" if settings.champion == "paired" else "reference"
        old, given = replace(new, name="gate-champion", policy=champion, purpose=seeds), []
    guards = guards_of(space)
    verdict = contest(
        space, pool, progress, test, champion=champion, new=new, old=old, given=given, guards=guards
    )
    if verdict.decision == "promoted":
        verdict = elsewhere(space, pool, progress, verdict, new)
    record = champion_record(space)
    outcome = verdict.to_json() | {"seconds": watch.sec, "alarm": record.alarm if record else None}
    if space.registry.champion() != champion:
        outcome["decision"] = "undecided"
        outcome["reason"] = f"the champion was changed by hand during the round; {outcome['reason']}"
    return space.write_outcome(number, "gate", outcome)


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
    n = 0
    for before, after in arms(space, pool, progress, new=new, old=old, given=given, guards=guards):
        n = after.n
        verdict = decide(
            test,
            names=(champion, new.policy),
            champion=test.tally(before.scores),
            candidate=test.tally(after.scores),
            n=n,
            guards=_looks(guards, before, after, test.level),
        )
        if verdict:
            paired = old is not None and (old.purpose, old.first) == (new.purpose, new.first)
            found = pairing(before.scores, after.scores) if paired else None
            arm = "paired" if paired else verdict.champion_arm
            return replace(verdict, task=new.task, champion_arm=arm, pairing=found)
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
        verdict = replace(verdict, others=(*verdict.others, found.to_json()))
        if found.decision != "promoted":
            reason = f"{verdict.reason}; but on {task} {found.reason}"
            return replace(verdict, decision=found.decision, reason=reason)
        verdict = replace(verdict, reason=f"{verdict.reason}; on {task} no worse: {found.reason}")
    return verdict


def champion_sample(space: Workspace, number: int, champion: str) -> tuple[int, int]:
    """Successes and episodes of all collections of a champion up to a round; see `arms.collected`."""
    samples = [space.outcome(k, "collect") for k in space.rounds() if 0 < k <= number]
    own = [sample for sample in samples if sample and sample["champion"] == champion]
    return sum(sample["successes"] for sample in own), sum(sample["episodes"] for sample in own)


def _looks(guards: Sequence[Guard], before: Arm, after: Arm, level: float) -> list[Guarded]:
    return [look(guard, before.numbers[guard.name], after.numbers[guard.name], level) for guard in guards]


def _scores(space: Workspace, batches: Sequence[Batch]) -> np.ndarray:
    return np.concatenate([np.zeros(0), *(batch_scores(space, batch) for batch in batches)])
