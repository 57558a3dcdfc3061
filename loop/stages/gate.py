"""The gate as a stage: champion and candidate are compared until there is a verdict, which goes on record."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...datasets import Batch
from ..episodes.play import Play, Pool
from ..errors import LoopError
from ..gate.alarm import batch_scores, champion_record
from ..gate.arms import collected
from ..gate.comparison import Verdict, make_test, round_level
from ..gate.contest import contest, elsewhere
from ..gate.critic import with_screen
from ..gate.guards import guards_of
from ..gate.remarks import with_remarks
from ..progress import Progress, Stopwatch
from ..statistics.sequential import MOST_FRESH
from ..views.lineage import checkpoint, policy_lineage
from ..workspace.workspace import Outcome, Workspace
from .refusal import unless_refused


def check_gate(space: Workspace) -> None:
    """Raise LoopError where the settings ask the gate for what it cannot give, before anything is played."""
    guards_of(space)
    settings = space.config.gate
    if settings.others and settings.cap > MOST_FRESH:
        raise LoopError(f"[gate] cap is {settings.cap}, but must be at most {MOST_FRESH} with [gate.others]")
    for task in settings.others:
        space.store_of(task)


def judge(space: Workspace, number: int, pool: Pool, progress: Progress) -> Outcome:
    """Play the candidate until the tests decide, and record the verdict."""
    watch, settings = Stopwatch(), space.config.gate
    champion = space.require(number, "collect")["champion"]
    candidate = space.require(number, "race")["policy"]
    earlier = [verdict for k in space.rounds() if k < number and (verdict := space.outcome(k, "gate"))]
    given = collected(space, number, champion)
    sample = _scores(space, given)
    binary = bool(np.isin(sample, (0.0, 1.0)).all())
    test = make_test(settings, len(sample), round_level(settings.level, earlier), binary=binary)
    new, old = _plays(space, number, champion, candidate)
    guards = guards_of(space)

    def compare() -> Verdict:
        batches = given if old is None else []
        verdict = contest(
            space, pool, progress, test, champion=champion, new=new, old=old, given=batches, guards=guards
        )
        won = verdict.decision == "promoted"
        return elsewhere(space, pool, progress, verdict, new) if won else verdict

    names = champion, candidate
    verdict = unless_refused(space, number, compare, test=test, names=names, champion=sample)
    record = champion_record(space)
    outcome = verdict.to_json() | {"seconds": watch.sec, "alarm": record.alarm if record else None}
    outcome = _with_checkpoint(space, outcome)
    outcome = with_remarks(space, number, with_screen(space, number, outcome))
    outcome = unless_changed(space, number, outcome)
    waits = settings.approve and outcome["decision"] == "promoted"
    return space.write_outcome(number, "judged" if waits else "gate", outcome)


def promote_winner(space: Workspace, number: int, verdict: Outcome) -> None:
    """Put the candidate in force where the round's verdict is that; again changes nothing."""
    if verdict["decision"] == "promoted":
        by = verdict["approval"]["by"] if "approval" in verdict else "gate"
        space.registry.install(
            verdict["candidate"], reason=verdict["reason"], by=by, round=number, action="promote"
        )


def unless_changed(space: Workspace, number: int, verdict: Outcome) -> Outcome:
    """The verdict; undecided where the champion is no longer that of the round's beginning."""
    if space.registry.champion() == space.require(number, "collect")["champion"]:
        return verdict
    reason = f"the champion was changed by hand during the round; {verdict['reason']}"
    return verdict | {"decision": "undecided", "reason": reason}


def _with_checkpoint(space: Workspace, verdict: Outcome) -> Outcome:
    """The verdict; where the candidate is not what its learner ended with, it says so."""
    which = checkpoint(policy_lineage(space, verdict["candidate"]))
    if which is None:
        return verdict
    reason = f"{verdict['reason']}; the candidate's weights are those of {which}"
    return verdict | {"checkpoint": which, "reason": reason}


def _plays(space: Workspace, number: int, champion: str, candidate: str) -> tuple[Play, Play | None]:
    """What the candidate plays, and the champion, unless its collection is its sample."""
    settings = space.config.gate
    new = Play("gate", candidate, "gate", "evaluation", number, settings.cap, settings.block)
    if settings.champion == "collection":
        return new, None
    seeds = "gate" if settings.champion == "paired" else "reference"
    return new, replace(new, name="gate-champion", policy=champion, purpose=seeds)


def _scores(space: Workspace, batches: Sequence[Batch]) -> np.ndarray:
    return np.concatenate([np.zeros(0), *(batch_scores(space, batch) for batch in batches)])
