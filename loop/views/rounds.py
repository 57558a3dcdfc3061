"""The rounds so far, as rows: what `status`, the Prefect artifact and the plot all show."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from ...datasets import SOURCES, Batch
from ..episodes.sample import Sample, collections, own_batches, sample_of
from ..workspace.records import Appended, Collected, From, Measured, Raced
from ..workspace.verdict import Verdict
from ..workspace.workspace import Workspace
from .at_work import LATER, STAGES


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
      name: what was measured: `demonstrations`, `BC`, `PAC on the demonstrations`, `round 3`,
        `injected demo.hdf5`, `final`.
      rate: mean score.
      interval: 95 % Wilson interval.
      n: episodes behind the rate.
      selected: whether they are the gate's, which stopped by what it saw; nobody selected the others.
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
    selected: bool = False

    @property
    def success(self) -> str:
        """The rate, and where it is from if it is no measurement: `61.0%`, `96.0% in the gate`."""
        return f"{self.rate:.1%}" + (" in the gate" if self.selected else "")


def rows(space: Workspace, batches: Sequence[Batch] | None = None) -> list[Row]:
    """All that has been measured, in order; the best unselected sample of each policy.

    `batches` are those that `committed` lists, where they are at hand. The parts below say of their rows how
    many `episodes` came with each; one without a name is not shown.

    A policy that collected is shown by its collection, which nobody selected; a candidate that has not
    collected yet is shown by the gate's episodes.
    """
    learned_in, batches = first_learned(space), committed(space) if batches is None else batches
    injected, samples = _injected(batches, learned_in), _samples(space, batches)
    parts = [_demonstrations(batches, learned_in), *_first_policies(space, samples)]
    for number in filter(None, space.rounds()):
        parts += [*injected.get(number, []), _round(space, number, samples)]
    total, shown = 0, []
    for row in [*parts, *_finals(space), *injected.get(None, [])]:
        total += row.episodes
        if row.name:
            shown.append(replace(row, episodes=total))
    return shown


def _samples(space: Workspace, batches: Sequence[Batch]) -> dict[str, Sample]:
    """What each champion collected in the rounds whose collection has ended, by its id."""
    ended = {k: record for k in space.rounds() if k > 0 and (record := space.record(Collected, k))}
    last = max(ended, default=0)
    champions = {record.champion for record in ended.values()}
    return {champion: sample_of(collections(batches, champion, last)) for champion in champions}


def _demonstrations(batches: Sequence[Batch], learned_in: dict[str, int]) -> Row:
    """What the run began with; recorded corrections (interventions) too."""
    given = [b for b in batches if b.source in ("demonstration", "intervention")]
    sample = sample_of(b for b in given if not _came_later(b, learned_in))
    return _row("demonstrations" if sample.batches else "", 0, "demonstrator", sample)


def _first_policies(space: Workspace, samples: dict[str, Sample]) -> list[Row]:
    """The baseline and the first policy learned by PAC."""
    parts: list[Row] = []
    if baseline := space.record(Measured, 0, "baseline"):
        seconds = _seconds(space, 0, ("append", "clone", "baseline"))
        parts.append(_row("BC", 0, baseline.policy, baseline, seconds=seconds))
    if raced := space.record(Raced, 0):
        sample = samples.get(raced.policy, sample_of([]))
        begun = space.record(From, 0)
        name = f"{begun.policy} of {Path(begun.workspace).name}" if begun else "PAC on the demonstrations"
        name = name if sample.batches else ""
        facts = {"episodes": raced.episodes, "seconds": _seconds(space, 0, ("learn", "race"))}
        parts.append(_row(name, 0, raced.policy, sample, **facts))
    return parts


def _round(space: Workspace, number: int, samples: dict[str, Sample]) -> Row:
    """What a round came to, once it has a verdict, and the episodes that it added."""
    records = [space.record(kind, number) for kind in (Collected, Raced, Verdict)]
    facts: dict[str, Any] = {"episodes": sum(record.episodes for record in records if record)}
    name, verdict = f"round {number}", space.record(Verdict, number)
    if verdict is None:
        return _row("", number, "", sample_of([]), **facts)
    facts |= {"verdict": verdict.decision, "reason": verdict.reason}
    facts |= {"seconds": _seconds(space, number, LATER)}
    if sample := samples.get(verdict.candidate):
        return _row(name, number, verdict.candidate, sample, **facts)
    n, rate, interval = verdict.candidate_n, verdict.candidate_rate, verdict.candidate_interval
    return Row(name, number, verdict.candidate, rate, interval, n, selected=True, **facts)


def _finals(space: Workspace) -> list[Row]:
    """The measurements of the champion, of which the last is shown."""
    stage = f"final-{space.registry.champion()}"
    finals = [(k, record) for k in space.rounds() if (record := space.record(Measured, k, stage))]
    parts = [_row("final", k, final.policy, final, seconds=final.seconds) for k, final in finals]
    return [*(replace(row, name="") for row in parts[:-1]), *parts[-1:]]


def committed(space: Workspace) -> list[Batch]:
    """All batches but other workspaces', in the order of their commits; none where there is no dataset."""
    return own_batches(space) if space.has_store() else []


def by_source(batches: Sequence[Batch]) -> dict[str, Sample]:
    """What each source gave, in the order of `SOURCES`; sources that gave nothing are left out."""
    samples = {source: sample_of(b for b in batches if b.source == source) for source in SOURCES}
    return {source: sample for source, sample in samples.items() if sample.batches}


def first_learned(space: Workspace) -> dict[str, int]:
    """The first round that learned from a batch, by the batch's id."""
    found: dict[str, int] = {}
    for number in space.rounds():
        pinned = space.record(Appended, number)
        for name in pinned.snapshot.batch_ids if pinned else ():
            found.setdefault(name, number)
    return found


def _came_later(batch: Batch, learned_in: dict[str, int]) -> bool:
    """Whether a batch was injected when the run had begun; what round 0 learns from began it."""
    return (
        batch.origin.get("command") == "inject" and 0 in learned_in.values() and learned_in.get(batch.id) != 0
    )


def _injected(batches: Sequence[Batch], learned_in: dict[str, int]) -> dict[int | None, list[Row]]:
    """A row for each injection, by the first round that learned from it; None where none has yet."""
    parts: dict[int | None, list[Row]] = {}
    later = [batch for batch in batches if _came_later(batch, learned_in)]
    for (path, when), group in groupby(later, lambda b: (str(b.origin["path"]), str(b.origin["when"]))):
        own = list(group)
        number, origin, sample = learned_in.get(own[0].id), own[0].origin, sample_of(own)
        learned = "not learned from yet" if number is None else f"learned from since round {number}"
        reason = f"{own[0].source} from {path} by {origin['by']}, {when[:16]}; {learned}"
        reason += f"; {origin['note']}" if origin["note"] else ""
        name, by = f"injected {Path(path).name}", str(origin["by"])
        row = _row(name, number or 0, by, sample, verdict="injected", reason=reason)
        parts.setdefault(number, []).append(row)
    return parts


def _row(name: str, number: int, policy: str, sample: Sample | Measured, **facts: Any) -> Row:
    facts = {"episodes": sample.episodes, **facts}
    return Row(name, number, policy, sample.rate, sample.interval, sample.episodes, **facts)


def _seconds(space: Workspace, number: int, stages: Sequence[str]) -> float:
    records = [space.record(STAGES[stage], number, stage) for stage in stages]
    return round(sum(record.seconds for record in records if record), 1)
