"""The rounds so far, as rows: what `status`, the Prefect artifact and the plot all show."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..episodes.sample import Sample, samples
from ..statistics.wilson import wilson
from ..workspace.workspace import Workspace
from .at_work import LATER

if TYPE_CHECKING:
    from ...datasets import Batch


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
      name: what was measured: `demonstrations`, `BC`, `PAC on the demonstrations`, `round 3`,
        `injected demo.hdf5`, `final`.
      round: its round.
      policy: who acted.
      rate: mean score.
      interval: 95 % Wilson interval.
      n: episodes behind the rate.
      verdict: of a round's gate; `injected` for what came from outside; or "".
      reason: the verdict's sentence, or "".
      episodes: episodes in the dataset when this ended.
      seconds: wall time of its stages.
      screen: what the critics thought of a round's candidate, as `screen.with_screen` records it.
    """

    name: str
    round: int
    policy: str
    rate: float
    interval: tuple[float, float]
    n: int
    verdict: str = ""
    reason: str = ""
    episodes: int = 0
    seconds: float = 0.0
    screen: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def rows(space: Workspace) -> list[Row]:
    """All that has been measured, in order; the best unselected sample of each policy.

    A policy that collected is shown by its collection, which nobody selected; a candidate that has not
    collected yet is shown by the gate's episodes.
    """
    learned_in, batches = first_learned(space), committed(space)
    injected = _injected(batches, learned_in)
    found = _demonstrations(batches, learned_in)
    seconds = _seconds(space, 0, ["append", "clone", "baseline"])
    if baseline := space.outcome(0, "baseline"):
        found.append(
            _measured("BC", 0, baseline["policy"], baseline, found[0].n + baseline["episodes"], seconds)
        )
    collected = samples(space)
    total = sum(row.n for row in found)
    raced = space.outcome(0, "race") or {"episodes": 0}
    total += raced["episodes"]
    if sample := collected.get(str(raced.get("policy"))):
        name, seconds = "PAC on the demonstrations", _seconds(space, 0, ["learn", "race"])
        found.append(Row(name, 0, sample.champion, **_shown(sample), episodes=total, seconds=seconds))
    for number in space.rounds():
        if number == 0:
            continue
        found += [replace(row, episodes=(total := total + row.n)) for row in injected.pop(number, [])]
        for stage in ("collect", "race"):
            total += (space.outcome(number, stage) or {"episodes": 0})["episodes"]
        if verdict := space.outcome(number, "gate"):
            total += verdict["candidate_n"]
            total += verdict["champion_n"] if verdict.get("champion_arm", "collection") != "collection" else 0
            found.append(_round(space, number, verdict, collected, total))
    waiting = [replace(row, episodes=(total := total + row.n)) for row in injected.pop(None, [])]
    return found + _final(space, total) + waiting


def committed(space: Workspace) -> "list[Batch]":
    """All batches in the order of their commits; none where no dataset was made yet."""
    return space.store.batches() if space.has_store() else []


def of_stage(batches: "Iterable[Batch]", number: int, stage: str) -> "list[Batch]":
    """Those that a stage of a round played, in their order."""
    return [batch for batch in batches if batch.round == number and batch.origin.get("stage") == stage]


def first_learned(space: Workspace) -> dict[str, int]:
    """The first round that learned from a batch, by the batch's id."""
    found: dict[str, int] = {}
    for number in space.rounds():
        pinned = space.outcome(number, "append")
        for name, _ in pinned["snapshot"]["batches"] if pinned else ():
            found.setdefault(name, number)
    return found


def _came_later(batch: "Batch", learned_in: dict[str, int]) -> bool:
    """Whether a batch was injected when the run had begun; what round 0 learns from began it."""
    return (
        batch.origin.get("command") == "inject" and 0 in learned_in.values() and learned_in.get(batch.id) != 0
    )


def _injected(batches: "Sequence[Batch]", learned_in: dict[str, int]) -> dict[int | None, list[Row]]:
    """A row for each injection, by the first round that learned from it; None where none has yet."""
    found: dict[int | None, list[Row]] = {}
    later = [batch for batch in batches if _came_later(batch, learned_in)]
    for (path, when), group in groupby(later, lambda b: (str(b.origin["path"]), str(b.origin["when"]))):
        own = list(group)
        number, origin = learned_in.get(own[0].id), own[0].origin
        n, score = sum(b.episodes for b in own), sum(b.score_sum for b in own)
        learned = "not learned from yet" if number is None else f"learned from since round {number}"
        reason = f"{own[0].source} from {path} by {origin['by']}, {when[:16]}; {learned}"
        reason += f"; {origin['note']}" if origin["note"] else ""
        name = f"injected {Path(path).name}"
        row = Row(name, number or 0, str(origin["by"]), score / n, wilson(score, n), n, "injected", reason)
        found.setdefault(number, []).append(row)
    return found


def _demonstrations(batches: "Sequence[Batch]", learned_in: dict[str, int]) -> list[Row]:
    own = [b for b in batches if b.source == "demonstration" and not _came_later(b, learned_in)]
    n, score = sum(b.episodes for b in own), sum(b.score_sum for b in own)
    if n == 0:
        return []
    return [Row("demonstrations", 0, "demonstrator", score / n, wilson(score, n), n, episodes=n)]


def _round(
    space: Workspace, number: int, verdict: dict[str, Any], collected: dict[str, Sample], total: int
) -> Row:
    sample, n = collected.get(verdict["candidate"]), verdict["candidate_n"]
    gated = {
        "rate": verdict["candidate_successes"] / max(n, 1),
        "interval": tuple(verdict["candidate_interval"]),
        "n": n,
    }
    return Row(
        name=f"round {number}",
        round=number,
        policy=verdict["candidate"],
        **(_shown(sample) if sample else gated),
        verdict=verdict["decision"],
        reason=verdict["reason"],
        episodes=total,
        seconds=_seconds(space, number, LATER),
        screen=verdict.get("screen"),
    )


def _final(space: Workspace, total: int) -> list[Row]:
    champion = space.registry.champion()
    found = []
    for number in space.rounds():
        if final := space.outcome(number, f"final-{champion}"):
            total += final["episodes"]
            row = _measured("final", number, final["policy"], final, total, final["seconds"])
            found = [row]
    return found


def _shown(sample: Sample) -> dict[str, Any]:
    return {"rate": sample.rate, "interval": sample.interval, "n": sample.episodes}


def _measured(
    name: str, number: int, policy: str, outcome: dict[str, Any], total: int, seconds: float
) -> Row:
    low, high = outcome["interval"]
    n, rate = outcome["episodes"], outcome["rate"]
    return Row(name, number, policy, rate, (low, high), n, episodes=total, seconds=seconds)


def _seconds(space: Workspace, number: int, stages: Sequence[str]) -> float:
    outcomes = [space.outcome(number, stage) for stage in stages]
    return round(sum(outcome["seconds"] for outcome in outcomes if outcome), 1)


def table(found: Sequence[Row]) -> str:
    """The rows as a markdown table."""
    lines = [
        "| | success | 95 % interval | n | verdict | episodes | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found:
        low, high = row.interval
        lines.append(
            f"| {row.name} | {row.rate:.1%} | {low:.0%} to {high:.0%} | {row.n} | {row.verdict} "
            f"| {row.episodes} | {row.seconds:.0f} |"
        )
    return "\n".join(lines)
