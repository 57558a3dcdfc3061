"""What a workspace is at, as far as its disk shows it: the round, the stage, how much of it is done.

Whoever watches needs no lease and no word from who works: blocks of episodes and the learner's figures are
on the disk as soon as they exist.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ...datasets import Batch
from ...learner.config import in_short
from ..episodes.sample import champion_sample, sample_of, stage_of
from ..stages.target import collected_episodes
from ..workspace.records import Appended, Collected, Learned, Measured, Raced, Reached, Timed
from ..workspace.verdict import CriticChecked, Verdict
from ..workspace.workspace import Workspace
from .training import read_training

FIRST = ("append", "clone", "baseline", "learn", "race")
LATER = ("collect", "append", "learn", "critic", "race", "gate")
STAGES: dict[str, type[Timed]] = {
    "clone": Learned,
    "baseline": Measured,
    "collect": Collected,
    "append": Appended,
    "learn": Learned,
    "critic": CriticChecked,
    "race": Raced,
    "gate": Verdict,
}
"""The record of each stage by the stage's name."""


@dataclass(frozen=True)
class Activity:
    """A stage that has begun or is next.

    Attributes:
      done: episodes or gradient steps on the disk.
      total: of how many at most; None where that is not known beforehand.
    """

    round: int
    stage: str
    done: int = 0
    total: int | None = None
    note: str = ""

    def sentence(self) -> str:
        """What goes on, in words: `round 3, learn: 2150 of 5000 steps, loss 0.6`."""
        unit = "steps" if self.stage in ("clone", "learn") else "episodes"
        how_much = f"{self.done} of {self.total} {unit}" if self.total else f"{self.done} {unit}"
        return f"round {self.round}, {self.stage}: {how_much}" + (f", {self.note}" if self.note else "")


def activity(space: Workspace, batches: Sequence[Batch]) -> Activity | None:
    """What the last round is at; None where nothing has begun, or all that began has ended.

    `batches` are all committed ones, as `rounds.committed` lists them.
    """
    number = max(space.rounds(), default=None)
    if number is None:
        return None
    stage = _next_stage(space, number)
    if stage in ("clone", "learn"):
        return _learning(space, number, stage)
    if stage:
        return _playing(space, number, stage, batches)
    measuring = [b for b in batches if b.round == number and stage_of(b).startswith("final-")]
    name = stage_of(measuring[-1]) if measuring else ""
    return None if not name or space.has_record(number, name) else _playing(space, number, name, batches)


def _next_stage(space: Workspace, number: int) -> str | None:
    """The stage after the last that has ended; None where the round has ended with it."""
    stages = LATER if number else FIRST
    ended = [k for k, stage in enumerate(stages) if space.has_record(number, stage)]
    after = ended[-1] + 1 if ended else 0
    ended_early = space.has_record(number, Reached.STAGE)
    return None if after == len(stages) or ended_early else stages[after]


def _learning(space: Workspace, number: int, stage: str) -> Activity:
    run = read_training(space, number, stage)
    if run is None or not run.lines:
        return Activity(number, stage, 0, run.total if run else None)
    return Activity(number, stage, run.step, run.total, in_short(run.lines[-1]))


def _playing(space: Workspace, number: int, stage: str, batches: Sequence[Batch]) -> Activity:
    parts = ("race-",) if stage == "race" else ()  # each entrant has a name of its own
    of_round = [batch for batch in batches if batch.round == number]
    sample = sample_of(b for b in of_round if stage_of(b) == stage or stage_of(b).startswith(parts))
    config, done = space.config, sample.episodes
    totals = {
        "collect": collected_episodes(space, number),
        "baseline": config.improve.baseline_episodes,
        "gate": config.gate.cap,
    }
    total = config.improve.evaluation_episodes if stage.startswith("final-") else totals.get(stage)
    note = f"success {sample.rate:.0%}" if done else ""
    if stage == "gate" and done and (collected := space.record(Collected, number)):
        sample = champion_sample(space, number, collected.champion, batches)
        note += f", the champion's {sample.rate:.0%}"
    if stage == "gate" and space.has_record(number, "judged"):
        note += ", waits for approval"
    return Activity(number, stage.partition("-")[0], done, total, note)
