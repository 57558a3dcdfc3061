"""Policies measured and compared by hand, on record beside the rounds as `evaluations/<number>.json`."""

from dataclasses import replace
from itertools import count

from ...datasets.files import read_json
from ..episodes.play import Play, Pool, tally
from ..errors import LoopError
from ..gate.comparison import make_test
from ..gate.contest import contest
from ..gate.guards import guards_of
from ..gate.remarks import with_remarks
from ..progress import Progress, Stopwatch
from ..statistics.paired import Pairing
from ..workspace.workspace import Outcome, Workspace

EPISODES = 300
"""Of a measurement by hand, unless told otherwise."""

APART = 2**23
"""Position from which the other policy of a comparison takes its seeds, unless both are paired."""


def measure(
    space: Workspace, pool: Pool, progress: Progress, *, policy: str | None, episodes: int
) -> Outcome:
    """Measure a policy by hand, each time on new seeds; an interrupted measurement is finished first."""
    who = policy or _champion(space)
    number = _begin(space, {"policy": who, "episodes": episodes})
    watch, config = Stopwatch(), space.config.collect
    block = config.actors * config.environments
    play_ = Play(f"manual{number:04d}", who, "manual", "evaluation", number, episodes, block)
    outcome = tally(space, pool, play_, progress) | {"policy": who, "seconds": watch.sec}
    space.write_json(_evaluation(number), outcome)
    return outcome


def compare(
    space: Workspace,
    pool: Pool,
    progress: Progress,
    *,
    policy: str | None,
    against: str,
    episodes: int | None = None,
    paired: bool = False,
) -> Outcome:
    """Compare two policies by hand as the gate does, both played anew; nobody is promoted.

    The verdict is the gate's, except that it says `better` where the gate would have promoted. It is
    given `[gate] level` for itself and spends nothing of the run's budget: what a person promotes on it
    is that person's word.

    Args:
      space: the workspace, whose lease the caller holds.
      pool: gives the collectors.
      progress: told what goes on.
      policy: id of the policy that is to be better; the champion by default.
      against: id of the other.
      episodes: the most of each; `[gate] cap` by default.
      paired: whether both play the same seeds.
    """
    who, settings = policy or _champion(space), space.config.gate
    if who == against:
        raise LoopError(f"{who} cannot be compared with itself")
    cap = episodes or settings.cap
    number = _begin(space, {"policy": who, "episodes": cap, "against": against, "paired": paired})
    watch = Stopwatch()
    asked = settings.model_copy(
        update={"champion": "paired" if paired else "fresh", "cap": cap, "block": min(settings.block, cap)}
    )
    binary = all(batch.binary for batch in space.store.batches())
    test = make_test(asked, 0, settings.level, binary=binary)
    new = Play(f"compare{number:04d}", who, "manual", "evaluation", number, cap, asked.block)
    old = replace(new, name=f"{new.name}-against", policy=against, first=0 if paired else APART)
    guards = guards_of(space)
    verdict = contest(space, pool, progress, test, champion=against, new=new, old=old, guards=guards)
    if verdict.decision == "promoted":
        verdict = replace(verdict, decision="better")
    outcome = verdict.to_json() | {"policy": who, "against": against, "seconds": watch.sec}
    outcome = with_remarks(space, number, outcome, (old.name, new.name))
    space.write_json(_evaluation(number), outcome)
    return outcome


def compared(outcome: Outcome) -> str:
    """What a comparison found, and what may be done about it."""
    who, against = outcome["policy"], outcome["against"]
    words = {"better": "is better than", "rejected": "is no better than"}
    lines = [f"{who} {words.get(outcome['decision'], 'is not shown to be better than')} {against}: "]
    lines[0] += outcome["reason"]
    if outcome["pairing"]:
        found = Pairing(**outcome["pairing"])
        lines.append(found.sentence() + ('; for the gate: [gate] champion = "paired"' if found.pays else ""))
    if outcome["decision"] == "better":
        lines.append(f'nobody was promoted; to do it: pacloop promote {who} --reason "better than {against}"')
    return "\n".join(lines)


def _champion(space: Workspace) -> str:
    champion = space.registry.champion()
    if champion is None:
        raise LoopError(f"{space.place} has no champion yet; run: pacloop improve")
    return champion


def _begin(space: Workspace, wanted: Outcome) -> int:
    """The number of the next evaluation, once what is wanted of it is on record."""
    number = next(k for k in count() if not (space.folder / _evaluation(k)).exists())
    intent = _evaluation(number).replace(".json", ".begun.json")
    path = space.folder / intent
    if path.exists() and (begun := read_json(path)) != wanted:
        raise LoopError(
            f"an evaluation of {begun['policy']} on {begun['episodes']} episodes was interrupted; finish it: "
            f"{_command(begun)}"
        )
    for policy in (wanted["policy"], wanted.get("against")):
        if policy is not None:
            space.registry.require(policy)
    space.write_json(intent, wanted)
    return number


def _command(begun: Outcome) -> str:
    words = ["pacloop evaluate", begun["policy"], "--episodes", str(begun["episodes"])]
    if "against" in begun:
        words += ["--against", begun["against"], *(["--paired"] if begun["paired"] else [])]
    return " ".join(words)


def _evaluation(number: int) -> str:
    return f"evaluations/{number:04d}.json"
