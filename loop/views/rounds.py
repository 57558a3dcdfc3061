"""The rounds so far, as rows: what `status`, the Prefect artifact and the plot all show."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..episodes.sample import Sample, collections, own_batches, sample_of
from ..workspace.records import Appended, Collected, Measured, Raced
from ..workspace.verdict import Verdict
from ..workspace.workspace import Workspace
from .at_work import LATER, STAGES

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


Part = tuple[Row | None, int]
"""A row, where there is one to show, and how many episodes came with it."""


def rows(space: Workspace) -> list[Row]:
    """All that has been measured, in order; the best unselected sample of each policy.

    A policy that collected is shown by its collection, which nobody selected; a candidate that has not
    collected yet is shown by the gate's episodes.
    """
    learned_in, batches = first_learned(space), committed(space)
    injected, samples = _injected(batches, learned_in), _samples(space, batches)
    parts = [*_demonstrations(batches, learned_in), *_first_policies(space, samples)]
    for number in filter(None, space.rounds()):
        parts += [*injected.get(number, []), _round(space, number, samples)]
    total, shown = 0, []
    for row, count in [*parts, *_finals(space), *injected.get(None, [])]:
        total += count
        if row:
            shown.append(replace(row, episodes=total))
    return shown


def _samples(space: Workspace, batches: "Sequence[Batch]") -> dict[str, Sample]:
    """What each champion collected in the rounds whose collection has ended, by its id."""
    ended = {k: record for k in space.rounds() if k > 0 and (record := space.record(Collected, k))}
    last = max(ended, default=0)
    champions = {record.champion for record in ended.values()}
    return {champion: sample_of(collections(batches, champion, last)) for champion in champions}


def _demonstrations(batches: "Sequence[Batch]", learned_in: dict[str, int]) -> list[Part]:
    sample = sample_of(b for b in batches if b.source == "demonstration" and not _came_later(b, learned_in))
    row = _row("demonstrations", 0, "demonstrator", sample)
    return [(row, sample.episodes)] if sample.episodes else []


def _first_policies(space: Workspace, samples: dict[str, Sample]) -> list[Part]:
    """The baseline and the first policy learned by PAC."""
    parts: list[Part] = []
    if baseline := space.record(Measured, 0, "baseline"):
        seconds = _seconds(space, 0, ("append", "clone", "baseline"))
        row = _row("BC", 0, baseline.policy, baseline, seconds=seconds)
        parts.append((row, baseline.episodes))
    if raced := space.record(Raced, 0):
        name, sample = "PAC on the demonstrations", samples.get(raced.policy)
        seconds = _seconds(space, 0, ("learn", "race"))
        row = _row(name, 0, raced.policy, sample, seconds=seconds) if sample else None
        parts.append((row, raced.episodes))
    return parts


def _round(space: Workspace, number: int, samples: dict[str, Sample]) -> Part:
    """What a round came to, once it has a verdict, and the episodes that it added."""
    records = [space.record(kind, number) for kind in (Collected, Raced, Verdict)]
    count = sum(record.episodes for record in records if record)
    verdict = space.record(Verdict, number)
    if verdict is None:
        return None, count
    facts = {
        "verdict": verdict.decision,
        "reason": verdict.reason,
        "seconds": _seconds(space, number, LATER),
    }
    name, policy = f"round {number}", verdict.candidate
    if sample := samples.get(policy):
        return _row(name, number, policy, sample, **facts), count
    n, rate, interval = verdict.candidate_n, verdict.candidate_rate, verdict.candidate_interval
    return Row(name, number, policy, rate, interval, n, **facts), count


def _finals(space: Workspace) -> list[Part]:
    """The measurements of the champion, of which the last is shown."""
    stage = f"final-{space.registry.champion()}"
    finals = [(k, record) for k in space.rounds() if (record := space.record(Measured, k, stage))]
    parts: list[Part] = [(None, record.episodes) for _, record in finals[:-1]]
    for number, final in finals[-1:]:
        row = _row("final", number, final.policy, final, seconds=final.seconds)
        parts.append((row, final.episodes))
    return parts


def committed(space: Workspace) -> "list[Batch]":
    """All batches but other workspaces', in the order of their commits; none where no dataset was made yet."""
    return own_batches(space) if space.has_store() else []


def first_learned(space: Workspace) -> dict[str, int]:
    """The first round that learned from a batch, by the batch's id."""
    found: dict[str, int] = {}
    for number in space.rounds():
        pinned = space.record(Appended, number)
        for name in pinned.snapshot.batch_ids if pinned else ():
            found.setdefault(name, number)
    return found


def _came_later(batch: "Batch", learned_in: dict[str, int]) -> bool:
    """Whether a batch was injected when the run had begun; what round 0 learns from began it."""
    return (
        batch.origin.get("command") == "inject" and 0 in learned_in.values() and learned_in.get(batch.id) != 0
    )


def _injected(batches: "Sequence[Batch]", learned_in: dict[str, int]) -> dict[int | None, list[Part]]:
    """A row for each injection, by the first round that learned from it; None where none has yet."""
    parts: dict[int | None, list[Part]] = {}
    later = [batch for batch in batches if _came_later(batch, learned_in)]
    for (path, when), group in groupby(later, lambda b: (str(b.origin["path"]), str(b.origin["when"]))):
        own = list(group)
        number, origin, sample = learned_in.get(own[0].id), own[0].origin, sample_of(own)
        learned = "not learned from yet" if number is None else f"learned from since round {number}"
        reason = f"{own[0].source} from {path} by {origin['by']}, {when[:16]}; {learned}"
        reason += f"; {origin['note']}" if origin["note"] else ""
        name, by = f"injected {Path(path).name}", str(origin["by"])
        row = _row(name, number or 0, by, sample, verdict="injected", reason=reason)
        parts.setdefault(number, []).append((row, sample.episodes))
    return parts


def _row(name: str, number: int, policy: str, sample: Sample | Measured, **facts: Any) -> Row:
    return Row(name, number, policy, sample.rate, sample.interval, sample.episodes, **facts)


def _seconds(space: Workspace, number: int, stages: Sequence[str]) -> float:
    records = [space.record(STAGES[stage], number, stage) for stage in stages]
    return round(sum(record.seconds for record in records if record), 1)
