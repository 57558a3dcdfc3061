"""Gate: champion and candidate are compared until there is a verdict, which goes on record."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from ...actors.rollout.rollout import PolicyError
from ...datasets import Batch
from ..episodes.pinned import pinned_comparison
from ..episodes.play import Play, Session
from ..episodes.sample import all_binary, champion_batches, collections, own_batches, scores
from ..errors import LoopError
from ..gate.alarm import champion_record
from ..gate.budget import level_of_round
from ..gate.comparison import make_test
from ..gate.contest import contest, elsewhere
from ..gate.critic import with_critic
from ..gate.decision import decided
from ..gate.guards import guards_of
from ..gate.remarks import with_remarks
from ..progress import stopwatch
from ..statistics.sequential import MOST_FRESH
from ..workspace.records import Collected, Diverged, Raced
from ..workspace.verdict import Verdict
from ..workspace.workspace import Workspace
from .append import check_collected
from .mirror import mirror
from .question import JUDGED

CHANGED = "the champion was changed by hand during the round"


def check_gate(space: Workspace, given: Sequence[Batch] | None = None) -> None:
    """Raise LoopError where the settings ask the gate for what it cannot give, before anything is played.

    `given` is the champion's sample, where there is one: its episodes have the figures of every guard.
    """
    for guard in guards_of(space, played=given is not None):
        for batch in given or ():
            guard.values(batch)
    settings = space.config.gate
    fresh = "[gate.others]" if settings.others else ""
    if settings.champion == "fresh":
        fresh = 'champion = "fresh"'
    if fresh and settings.cap > MOST_FRESH and all_binary(space):
        raise LoopError(f"[gate] cap is {settings.cap}, but must be at most {MOST_FRESH} with {fresh}")
    for task in settings.others:
        space.store_of(task)


def gate(session: Session, number: int) -> Verdict:
    """Play the candidate against the champion's sample until the test decides; promote it where it won.

    Where a person is to approve a promotion, the verdict waits as `judged` and ends no round.
    """
    space = session.space
    verdict = space.record(Verdict, number) or space.record(Verdict, number, JUDGED)
    verdict = verdict or _judge(session, number)
    verdict = settled(space, number) or verdict
    mirror(space, session.progress)
    return verdict


def settled(space: Workspace, number: int) -> Verdict | None:
    """The verdict of a round, once what it promoted is in force; None where there is none yet.

    Where somebody changed the champion while the verdict was written, that counts, and is put on record.
    """
    space.registry.settle()
    verdict = space.record(Verdict, number)
    if verdict is None or verdict.decision != "promoted" or space.registry.promoted_in(number):
        return verdict
    return space.write_record(number, _overtaken(verdict))


def unless_changed(space: Workspace, number: int, verdict: Verdict) -> Verdict:
    """The verdict; where the champion was changed since the round's beginning, nobody is promoted."""
    unchanged = space.registry.champion() == space.require(Collected, number).champion
    if unchanged and not space.registry.changed_after(number):
        return verdict
    return _overtaken(verdict)


def _overtaken(verdict: Verdict) -> Verdict:
    decision = "rejected" if verdict.decision == "rejected" else "undecided"
    return verdict.model_copy(update={"decision": decision, "reason": f"{CHANGED}; {verdict.reason}"})


def _judge(session: Session, number: int) -> Verdict:
    """Play the candidate until the tests decide, and record the verdict."""
    watch, space = stopwatch(), session.space
    if not _begun(space, number):  # else they are pinned
        check_gate(space, _given(space, number, space.require(Collected, number).champion))
    session, binary = pinned_comparison(session, number, Verdict.STAGE)
    verdict, alarm = _compare(session, number, binary), champion_record(space)
    verdict = verdict.model_copy(update={"seconds": watch(), "alarm": alarm.alarm if alarm else None})
    verdict = with_remarks(session, number, with_critic(space, number, verdict))
    verdict = unless_changed(space, number, verdict)
    if not space.config.gate.approve or verdict.decision != "promoted":
        return space.write_record(number, verdict)
    asked = datetime.now(UTC).isoformat(timespec="seconds")
    return space.write_record(number, verdict.model_copy(update={"asked": asked}), JUDGED)


def _begun(space: Workspace, number: int) -> bool:
    """Whether the gate of a round is bound to the settings that it began with."""
    return space.has_record(number, f"begin-{Verdict.STAGE}")


def _compare(session: Session, number: int, binary: bool) -> Verdict:
    """The comparison of the round; a candidate that cannot act, or was not learned, ends it without one."""
    space = session.space
    champion, diverged = space.require(Collected, number).champion, space.record(Diverged, number)
    candidate = diverged.policy if diverged else space.require(Raced, number).policy
    given = _given(space, number, champion)
    sample, guards = scores(space, given, failed=1.0), guards_of(space, played=True)
    test = make_test(space.config.gate, len(sample), level_of_round(space, number), binary=binary)
    new, old = _plays(space, number, champion, candidate)
    batches = given if old is None else []
    unplayed = partial(
        decided, test, names=(champion, candidate), champion=float(sample.sum()), given=len(sample)
    )
    if diverged:
        return unplayed(("undecided", diverged.reason))
    if space.registry.changed_after(number):
        return unplayed(("undecided", "its sample begins anew, so nothing was played"))
    try:
        verdict = contest(session, test, champion=champion, new=new, old=old, given=batches, guards=guards)
        return elsewhere(session, verdict, new) if verdict.decision == "promoted" else verdict
    except PolicyError as error:
        if error.policy != candidate:
            raise
        return unplayed(("rejected", str(error)))


def _given(space: Workspace, number: int, champion: str) -> list[Batch]:
    """The champion's sample. Raises LoopError where it is not all there, or of another horizon than now."""
    if space.config.gate.champion == "collection":
        check_collected(space, number)
    given = champion_batches(space, number, champion) or collections(own_batches(space), champion, number)
    horizon = space.task.schema.horizon
    before = given[-1].origin.get("horizon", horizon) if given else horizon
    if before != horizon and space.config.gate.champion == "collection":
        other = "" if _begun(space, number) else ', or play the champion again: [gate] champion = "fresh"'
        raise LoopError(
            f"round {number} was collected with a horizon of {before}, but it is {horizon} now: put it back "
            f"until this round has ended{other}"
        )
    return given


def _plays(space: Workspace, number: int, champion: str, candidate: str) -> tuple[Play, Play | None]:
    """What the candidate plays, and the champion, unless its collection is its sample."""
    settings = space.config.gate
    new = Play("gate", candidate, "gate", number, settings.cap, settings.block)
    if settings.champion == "collection":
        return new, None
    seeds = "gate" if settings.champion == "paired" else "reference"
    return new, replace(new, name="gate-champion", policy=champion, purpose=seeds)
