"""Policies measured and compared, in a round and by hand.

What is measured by hand belongs to no round and stands beside them, as `evaluations/<number>.json`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Literal

from ...actors.rollout.rollout import PolicyError
from ...datasets.files import parse_model, read_json
from ..episodes.pinned import pinned, pinned_comparison
from ..episodes.play import Play, Session, tally
from ..episodes.sample import all_binary
from ..episodes.seeds import POSITIONS, Purpose
from ..errors import LoopError
from ..gate.comparison import Test, make_test
from ..gate.contest import contest
from ..gate.guards import guards_of
from ..gate.remarks import with_remarks
from ..progress import stopwatch
from ..workspace.place import command
from ..workspace.records import Asked, GivenUp, Measured
from ..workspace.verdict import Verdict
from ..workspace.workspace import Workspace
from .collect import champion_of
from .mirror import mirror

APART = 2**23
"""Position from which the other policy of a comparison takes its seeds, unless both are paired."""


def evaluate(
    session: Session, number: int, stage: str, policy: str, purpose: Literal["baseline", "final"] = "final"
) -> Measured:
    """Measure a policy on a purpose's seeds, as many as the settings say, and record it in a round."""
    if done := session.space.record(Measured, number, stage):
        return done
    session = pinned(session, number, stage)
    settings = session.space.config.improve
    episodes = settings.baseline_episodes if purpose == "baseline" else settings.evaluation_episodes
    measured = _measure(session, number, stage, policy, episodes, purpose)
    session.space.write_record(number, measured, stage)
    mirror(session.space, session.progress)
    return measured


def measure(session: Session, *, policy: str | None, episodes: int | None) -> Measured:
    """Measure a policy by hand, each time on new seeds; an interrupted measurement is finished first."""
    space = session.space
    who, episodes = policy or champion_of(space), episodes or space.config.improve.evaluation_episodes
    with _begun(space, Asked(policy=who, episodes=episodes)) as number:
        stage = f"manual{number:04d}"
        session = pinned(session, number, stage, _evaluation(number, ".settings"))
        measured = _measure(session, number, stage, who, episodes, "manual")
    space.write_json(_evaluation(number), measured.model_dump())
    return measured


def compare(
    session: Session, *, policy: str | None, against: str, episodes: int | None = None, paired: bool = False
) -> Verdict:
    """Compare two policies by hand as the gate does, both played anew; nobody is promoted.

    `policy`, the champion by default, is the candidate of the verdict and `against` the champion; each plays
    at most `episodes`, `[gate] cap` by default. It says `better` where the gate would have promoted. It is
    given `[gate] level` for itself and spends nothing of the run's budget: what a person promotes on it is
    that person's word.
    """
    space = session.space
    who = policy or champion_of(space)
    if who == against:
        raise LoopError(f"{who} cannot be compared with itself")
    order = Asked(policy=who, episodes=episodes or space.config.gate.cap, against=against, paired=paired)
    watch, binary = stopwatch(), all_binary(space)
    _ = _test(space, order, binary), guards_of(space)  # said before it is on record
    with _begun(space, order) as number:
        pins = _evaluation(number, ".settings")
        session, binary = pinned_comparison(session, number, f"compare{number:04d}", pins)
        test, guards = _test(session.space, order, binary), guards_of(session.space)
        new = Play(f"compare{number:04d}", who, "manual", number, order.episodes, test.block)
        old = replace(new, name=f"{new.name}-against", policy=against, first=0 if paired else APART)
        verdict = contest(session, test, champion=against, new=new, old=old, guards=guards)
    if verdict.decision == "promoted":
        verdict = verdict.model_copy(update={"decision": "better"})
    verdict = with_remarks(session, None, verdict, (old.name, new.name))
    verdict = verdict.model_copy(update={"seconds": watch()})
    space.write_json(_evaluation(number), verdict.model_dump())
    return verdict


def give_up(space: Workspace) -> Asked:
    """Give up the evaluation that was interrupted, and return it. Raises LoopError where there is none."""
    number, begun = _unfinished(space)
    if begun is None:
        raise LoopError(f"no evaluation was interrupted in {space.place}")
    space.write_json(_evaluation(number), GivenUp(**begun.model_dump()).model_dump())
    return begun


def compared(space: Workspace, outcome: Verdict) -> str:
    """What a comparison ended with, and what may be done about it."""
    who, against = outcome.candidate, outcome.champion
    words = {"better": "is better than", "rejected": "is no better than"}
    phrase = words.get(outcome.decision, "is not shown to be better than")
    lines = [f"{who} {phrase} {against}: {outcome.reason}"]
    if pairing := outcome.pairing:
        lines.append(
            pairing.sentence() + ('; for the gate: [gate] champion = "paired"' if pairing.pays else "")
        )
    if outcome.decision == "better":
        promote = command(f'promote {who} --reason "better than {against}"', space.place)
        lines.append(f"nobody was promoted; to do it: {promote}")
    return "\n".join(lines)


def _measure(
    session: Session, number: int, stage: str, policy: str, episodes: int, purpose: Purpose
) -> Measured:
    order = Play(stage, policy, purpose, number, episodes, session.space.config.collect.parallel)
    return Measured(**tally(session, order), policy=policy)


def _test(space: Workspace, order: Asked, binary: bool) -> Test:
    arms = {"champion": "paired" if order.paired else "fresh", "cap": order.episodes}
    settings = space.config.gate.model_copy(update=arms)
    settings = settings.model_copy(update={"block": min(settings.block, settings.cap)})
    return make_test(settings, 0, settings.level, binary=binary)


def _unfinished(space: Workspace) -> tuple[int, Asked | None]:
    """The number of the next evaluation, and what it is about where it was begun."""
    number = next(k for k in count() if not (space.folder / _evaluation(k)).exists())
    path = space.folder / _evaluation(number, ".begun")
    return number, parse_model(Asked, read_json(path), path) if path.exists() else None


@contextmanager
def _begun(space: Workspace, order: Asked) -> Iterator[int]:
    """The number of the next evaluation, whose order is on record. A policy that cannot act ends it."""
    number, begun = _unfinished(space)
    if begun and begun != order:
        again, end = command(_words(begun), space.place), command("evaluate --give-up", space.place)
        raise LoopError(
            f"an evaluation of {begun.policy} on {begun.episodes} episodes was interrupted; finish it: "
            f"{again}, or give it up: {end}"
        )
    for policy in filter(None, (order.policy, order.against)):
        space.registry.require(policy)
    most = POSITIONS if order.against is None or order.paired else APART
    if order.episodes > most:
        raise LoopError(f"--episodes is {order.episodes}, but there are seeds of {most} at most")
    space.write_json(_evaluation(number, ".begun"), order.model_dump())
    try:
        yield number
    except PolicyError:
        give_up(space)
        raise


def _words(begun: Asked) -> str:
    words = ["evaluate", begun.policy, "--episodes", str(begun.episodes)]
    if begun.against is not None:
        words += ["--against", begun.against, *(["--paired"] if begun.paired else [])]
    return " ".join(words)


def _evaluation(number: int, part: str = "") -> str:
    return f"evaluations/{number:04d}{part}.json"
