"""The rounds so far, as rows: what `status`, the Prefect artifact and the plot all show."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..episodes.sample import Sample, collections, sample_of
from ..statistics.wilson import wilson
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

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def rows(space: Workspace) -> list[Row]:
    """All that has been measured, in order; the best unselected sample of each policy.

    A policy that collected is shown by its collection, which nobody selected; a candidate that has not
    collected yet is shown by the gate's episodes.
    """
    learned_in, batches = first_learned(space), committed(space)
    injected, samples = _injected(batches, learned_in), _samples(space, batches)
    shown = _demonstrations(batches, learned_in)
    total = sum(row.n for row in shown)
    first, total = _first_policies(space, samples, total)
    shown += first
    for number in [number for number in space.rounds() if number]:
        shown += [replace(row, episodes=(total := total + row.n)) for row in injected.pop(number, [])]
        total += _played(space, number)
        if verdict := space.record(Verdict, number):
            shown.append(_round(space, number, verdict, samples, total))
    waiting = [replace(row, episodes=(total := total + row.n)) for row in injected.pop(None, [])]
    return shown + _final(space, total) + waiting


def _samples(space: Workspace, batches: "Sequence[Batch]") -> dict[str, Sample]:
    """What each champion collected in the rounds whose collection has ended, by its id."""
    ended = [record for k in space.rounds() if k > 0 and (record := space.record(Collected, k))]
    last = max((k for k in space.rounds() if space.has_record(k, Collected.STAGE)), default=0)
    return {
        record.champion: sample_of(record.champion, collections(batches, record.champion, last))
        for record in ended
    }


def _first_policies(space: Workspace, samples: dict[str, Sample], total: int) -> tuple[list[Row], int]:
    """The baseline and the first policy learned by PAC, and how many episodes there are then."""
    found = []
    if baseline := space.record(Measured, 0, "baseline"):
        total += baseline.episodes
        seconds = _seconds(space, 0, ["append", "clone", "baseline"])
        found.append(_measured("BC", 0, baseline, total, seconds))
    if raced := space.record(Raced, 0):
        total += raced.episodes
        if sample := samples.get(raced.policy):
            seconds = _seconds(space, 0, ["learn", "race"])
            shown = _shown(sample)
            found.append(
                Row("PAC on the demonstrations", 0, raced.policy, **shown, episodes=total, seconds=seconds)
            )
    return found, total


def _played(space: Workspace, number: int) -> int:
    """Episodes that a round added."""
    records = [space.record(kind, number) for kind in (Collected, Raced, Verdict)]
    return sum(record.episodes for record in records if record)


def committed(space: Workspace) -> "list[Batch]":
    """All batches in the order of their commits; none where no dataset was made yet."""
    return space.store.batches() if space.has_store() else []


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


def _round(space: Workspace, number: int, verdict: Verdict, samples: dict[str, Sample], total: int) -> Row:
    sample = samples.get(verdict.candidate)
    gated = {
        "rate": verdict.candidate_rate,
        "interval": verdict.candidate_interval,
        "n": verdict.candidate_n,
    }
    return Row(
        name=f"round {number}",
        round=number,
        policy=verdict.candidate,
        **(_shown(sample) if sample else gated),
        verdict=verdict.decision,
        reason=verdict.reason,
        episodes=total,
        seconds=_seconds(space, number, LATER),
    )


def _final(space: Workspace, total: int) -> list[Row]:
    """The last measurement of the champion."""
    champion, found = space.registry.champion(), []
    for number in space.rounds():
        if final := space.record(Measured, number, f"final-{champion}"):
            total += final.episodes
            found = [_measured("final", number, final, total, final.seconds)]
    return found


def _shown(sample: Sample) -> dict[str, Any]:
    return {"rate": sample.rate, "interval": sample.interval, "n": sample.episodes}


def _measured(name: str, number: int, record: Measured, total: int, seconds: float) -> Row:
    return Row(
        name,
        number,
        record.policy,
        record.rate,
        record.interval,
        record.episodes,
        episodes=total,
        seconds=seconds,
    )


def _seconds(space: Workspace, number: int, stages: Sequence[str]) -> float:
    records = [space.record(STAGES[stage], number, stage) for stage in stages]
    return round(sum(record.seconds for record in records if record), 1)
