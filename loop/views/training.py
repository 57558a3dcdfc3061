"""The learner runs of a workspace as their figures: what `metrics.jsonl` in each run's folder says."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from pydantic import BaseModel

from ...datasets.errors import DatasetError
from ...datasets.files import parse_json, parse_model, read_json
from ...learner.config import IDENTITY, METRICS, LearnConfig
from ..workspace.workspace import Workspace


@dataclass(frozen=True)
class Training:
    """One learner run, whether it has ended or not.

    Attributes:
      stage: `clone` or `learn`.
      total: gradient steps it is to take; None where it has not said.
      lines: its figures, a line every few dozen steps, each with its `step`.
    """

    round: int
    stage: str
    total: int | None
    lines: Sequence[dict[str, float]]

    @property
    def name(self) -> str:
        """As people call it, e.g. `round 3`."""
        return "BC" if self.stage == "clone" else f"round {self.round}"

    @property
    def step(self) -> int:
        """Gradient steps on record."""
        return int(self.lines[-1]["step"]) if self.lines else 0

    def column(self, name: str) -> list[tuple[float, float]]:
        """Steps and values of a figure, where the run has it."""
        return [(line["step"], line[name]) for line in self.lines if name in line]


def trainings(space: Workspace) -> list[Training]:
    """All learner runs that began, in order."""
    found = [read_training(space, k, stage) for k in space.rounds() for stage in ("clone", "learn")]
    return [run for run in found if run]


def read_training(space: Workspace, number: int, stage: str) -> Training | None:
    """A round's learner run; None where it has not begun. A line that is being written is left out."""
    folder = space.round_folder(number) / f"{stage}-run"
    if not (folder / METRICS).is_file():
        return None
    lines: list[dict[str, float]] = []
    for line in (folder / METRICS).read_bytes().splitlines():
        with suppress(DatasetError):
            lines.append(parse_model(dict[str, float], parse_json(METRICS, line), METRICS))
    path = folder / IDENTITY
    total = parse_model(_Identity, read_json(path), path).learn.steps if path.is_file() else None
    return Training(number, stage, total, [line for line in lines if "step" in line])


class _Identity(BaseModel):
    """What is shown of the identity of a run."""

    learn: LearnConfig
