"""Policies measured and compared, in a round and by hand.

What is measured by hand stands beside the rounds, as `evaluations/<number>.json`.
"""

from dataclasses import replace
from itertools import count
from typing import Any

from ...datasets.files import read_json
from ..episodes.play import Play, Session, tally
from ..episodes.sample import own_batches
from ..episodes.seeds import Purpose
from ..errors import LoopError
from ..gate.comparison import make_test
from ..gate.contest import contest
from ..gate.guards import guards_of
from ..gate.remarks import with_remarks
from ..progress import Stopwatch
from ..workspace.records import Asked, Measured, parse_record
from ..workspace.verdict import Comparison
from ..workspace.workspace import Workspace
from .collect import champion_of
from .mirror import mirror

EPISODES = 300
"""Of a measurement by hand, unless told otherwise."""

APART = 2**23
"""Position from which the other policy of a comparison takes its seeds, unless both are paired."""


def evaluate(
    session: Session, number: int, stage: str, policy: str, episodes: int, purpose: Purpose = "final"
) -> Measured:
    """Measure a policy on a purpose's seeds, and record it in a round under `stage`."""
    if done := session.space.record(Measured, number, stage):
        return done
    measured = _measure(session, number, stage, policy, episodes, purpose)
    session.space.write_record(number, measured, stage)
    mirror(session.space, session.progress)
    return measured


def measure(session: Session, *, policy: str | None, episodes: int) -> Measured:
    """Measure a policy by hand, each time on new seeds; an interrupted measurement is finished first."""
    who = policy or champion_of(session.space)
    number = _begin(session.space, Asked(policy=who, episodes=episodes))
    measured = _measure(session, number, f"manual{number:04d}", who, episodes, "manual")
    session.space.write_json(_evaluation(number), measured.model_dump())
    return measured


def compare(
    session: Session, *, policy: str | None, against: str, episodes: int | None = None, paired: bool = False
) -> Comparison:
    """Compare two policies by hand as the gate does, both played anew; nobody is promoted.

    The verdict is the gate's, except that it says `better` where the gate would have promoted. It is
    given `[gate] level` for itself and spends nothing of the run's budget: what a person promotes on it
    is that person's word.

    Args:
      session: the workspace with its collectors.
      policy: id of the policy that is to be better; the champion by default.
      against: id of the other.
      episodes: the most of each; `[gate] cap` by default.
      paired: whether both play the same seeds.
    """
    space = session.space
    who = policy or champion_of(space)
    if who == against:
        raise LoopError(f"{who} cannot be compared with itself")
    order = Asked(policy=who, episodes=episodes or space.config.gate.cap, against=against, paired=paired)
    number, watch = _begin(space, order), Stopwatch()
    comparison, stages = _contest(session, order, number)
    comparison = with_remarks(space, number, comparison, stages)
    comparison = comparison.model_copy(update={"seconds": watch.sec})
    space.write_json(_evaluation(number), comparison.model_dump())
    return comparison


def compared(outcome: Comparison) -> str:
    """What a comparison ended with, and what may be done about it."""
    who, against = outcome.policy, outcome.against
    words = {"better": "is better than", "rejected": "is no better than"}
    phrase = words.get(outcome.decision, "is not shown to be better than")
    lines = [f"{who} {phrase} {against}: {outcome.reason}"]
    if pairing := outcome.pairing:
        lines.append(
            pairing.sentence() + ('; for the gate: [gate] champion = "paired"' if pairing.pays else "")
        )
    if outcome.decision == "better":
        lines.append(f'nobody was promoted; to do it: pacloop promote {who} --reason "better than {against}"')
    return "\n".join(lines)


def _measure(
    session: Session, number: int, stage: str, policy: str, episodes: int, purpose: Purpose
) -> Measured:
    order = Play(stage, policy, purpose, number, episodes, session.space.config.collect.parallel)
    return Measured(**tally(session, order), policy=policy)


def _contest(session: Session, order: Asked, number: int) -> tuple[Comparison, tuple[str, str]]:
    """The comparison, and the stages under which the other policy and the policy were played."""
    space, cap, against = session.space, order.episodes, str(order.against)
    settings, guards = space.config.gate, guards_of(space)
    arms = {"champion": "paired" if order.paired else "fresh", "cap": cap, "block": min(settings.block, cap)}
    settings = settings.model_copy(update=arms)
    binary = all(batch.binary for batch in own_batches(space))
    test = make_test(settings, 0, settings.level, binary=binary)
    new = Play(f"compare{number:04d}", order.policy, "manual", number, cap, settings.block)
    first = 0 if order.paired else APART
    old = replace(new, name=f"{new.name}-against", policy=against, first=first)
    verdict = contest(session, test, champion=against, new=new, old=old, guards=guards)
    facts: dict[str, Any] = {name: getattr(verdict, name) for name in type(verdict).model_fields}
    if verdict.decision == "promoted":
        facts["decision"] = "better"
    return Comparison(**facts, policy=order.policy, against=against), (old.name, new.name)


def _begin(space: Workspace, order: Asked) -> int:
    """The number of the next evaluation, once its order is on record."""
    number = next(k for k in count() if not (space.folder / _evaluation(k)).exists())
    name = _evaluation(number).replace(".json", ".begun.json")
    path = space.folder / name
    if path.exists() and (begun := parse_record(Asked, read_json(path), path)) != order:
        raise LoopError(
            f"an evaluation of {begun.policy} on {begun.episodes} episodes was interrupted; finish it: "
            f"{_command(begun)}"
        )
    for policy in filter(None, (order.policy, order.against)):
        space.registry.require(policy)
    space.write_json(name, order.model_dump())
    return number


def _command(begun: Asked) -> str:
    words = ["pacloop evaluate", begun.policy, "--episodes", str(begun.episodes)]
    if begun.against is not None:
        words += ["--against", begun.against, *(["--paired"] if begun.paired else [])]
    return " ".join(words)


def _evaluation(number: int) -> str:
    return f"evaluations/{number:04d}.json"
