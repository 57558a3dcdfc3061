"""The rounds so far, as rows: what `status`, the Prefect artifact and the plot all show."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .statistics import wilson
from .workspace import Workspace


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
      name: what was measured: `demonstrations`, `BC`, `PAC on the demonstrations`, `round 3`, `final`.
      round: its round.
      policy: who acted.
      rate: mean score.
      interval: 95 % Wilson interval.
      n: episodes behind the rate.
      verdict: of a round's gate, or "".
      reason: the verdict's sentence, or "".
      episodes: episodes in the dataset when this ended.
      seconds: wall time of its stages.
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

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def rows(space: Workspace) -> list[Row]:
    """All that has been measured, in order; the best unselected sample of each policy.

    A policy that collected is shown by its collection, which nobody selected; a candidate that has not
    collected yet is shown by the gate's episodes.
    """
    found = _demonstrations(space)
    seconds = _seconds(space, 0, ["append", "clone", "baseline"])
    if baseline := space.outcome(0, "baseline"):
        found.append(
            _measured("BC", 0, baseline["policy"], baseline, found[0].n + baseline["episodes"], seconds)
        )
    collected = {o["champion"]: o for n in space.rounds() if n and (o := space.outcome(n, "collect"))}
    total = sum(row.n for row in found)
    if (learned := space.outcome(0, "learn")) and (sample := collected.get(learned["policy"])):
        name, seconds = "PAC on the demonstrations", _seconds(space, 0, ["learn"])
        found.append(_measured(name, 0, learned["policy"], sample, total, seconds))
    for number in space.rounds():
        if number == 0:
            continue
        total += (space.outcome(number, "collect") or {"episodes": 0})["episodes"]
        if verdict := space.outcome(number, "gate"):
            total += verdict["candidate_n"]
            total += verdict["champion_n"] if verdict.get("champion_arm") == "fresh" else 0
            found.append(_round(space, number, verdict, collected, total))
    return found + _final(space, total)


def _demonstrations(space: Workspace) -> list[Row]:
    batches = [b for b in space.store.batches() if b.source == "demonstration"]
    n, score = sum(b.episodes for b in batches), sum(b.score_sum for b in batches)
    if n == 0:
        return []
    return [Row("demonstrations", 0, "demonstrator", score / n, wilson(score, n), n, episodes=n)]


def _round(
    space: Workspace, number: int, verdict: dict[str, Any], collected: dict[str, Any], total: int
) -> Row:
    sample = collected.get(verdict["candidate"])
    n = sample["episodes"] if sample else verdict["candidate_n"]
    rate = sample["rate"] if sample else verdict["candidate_successes"] / n
    return Row(
        name=f"round {number}",
        round=number,
        policy=verdict["candidate"],
        rate=rate,
        interval=tuple(sample["interval"] if sample else verdict["candidate_interval"]),
        n=n,
        verdict=verdict["decision"],
        reason=verdict["reason"],
        episodes=total,
        seconds=_seconds(space, number, ["collect", "append", "learn", "gate"]),
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
