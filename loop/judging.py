"""The gate as a stage: the champion's sample, the candidate's episodes, and the verdict on record."""

import numpy as np

from .alarm import champion_record
from .arms import arms, collected_scores
from .degenerate import with_remarks
from .errors import LoopError
from .gate import Verdict, decide, make_test, round_level
from .play import Pool
from .progress import Noted, Progress, Stopwatch
from .refusal import unless_refused
from .screen import with_screen
from .workspace import Outcome, Workspace


def judge(space: Workspace, number: int, pool: Pool, progress: Progress) -> Outcome:
    """Play the candidate against the champion's sample until the test decides, and record the verdict."""
    watch, config = Stopwatch(), space.config.gate
    sample, candidate = space.require(number, "collect"), space.require(number, "race")["policy"]
    earlier = [verdict for k in space.rounds() if k < number and (verdict := space.outcome(k, "gate"))]
    champion = sample["champion"]
    given = collected_scores(space, number, champion)
    binary = bool(np.isin(given, (0.0, 1.0)).all())
    test = make_test(config, len(given), round_level(config.level, earlier), binary=binary)
    names = champion, candidate

    def compare() -> Verdict:
        told, n = Noted(progress), 0
        for old, new in arms(space, number, pool, told, champion=champion, candidate=candidate, given=given):
            tallies, n = (test.tally(old), test.tally(new)), len(new)
            told.also = f", evidence {test.evidence(*tallies, n):.2f} of {test.boundary(n):.2f}"
            if verdict := decide(test, names=names, champion=tallies[0], candidate=tallies[1], n=n):
                return verdict
        raise LoopError(f"round {number}'s gate ended without a verdict after {n} episodes")

    verdict = unless_refused(space, number, compare, test=test, names=names, champion=given)
    record = champion_record(space)
    outcome = verdict.to_json() | {"seconds": watch.sec, "alarm": record.alarm if record else None}
    outcome = with_remarks(space, number, with_screen(space, number, outcome))
    outcome = unless_changed(space, number, outcome)
    waits = config.approve and outcome["decision"] == "promoted"
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
