"""What is to be played, and with what."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...learner.policy import Acting
from ..progress import Progress
from ..workspace.workspace import Workspace
from .seeds import Purpose

if TYPE_CHECKING:
    from ...actors.rollout.collector import CollectorPool

Pool = Callable[[], "CollectorPool"]
"""Gives the collectors, starting them at the first call: a stage that finds its work done needs none."""


@dataclass(frozen=True)
class Session:
    """What the stages of one process work with.

    Attributes:
      space: the workspace, whose lease the process holds.
      pool: gives the collectors.
      progress: hears of what goes on.
    """

    space: Workspace
    pool: Pool
    progress: Progress


@dataclass(frozen=True)
class Play:
    """What is to be played.

    Attributes:
      name: of the stage, as in batch ids: `r003-collect-<workspace>-00002`.
      policy: id of the policy that acts.
      purpose: whose seeds.
      round: number of the round; by hand, of the evaluation.
      episodes: the most that are played.
      block: episodes in a batch; the last may be smaller.
      acting: how the policy acts, where not in its own way.
      first: position of the first seed among those of the purpose and round.
      task: a further task of `[gate.others]`, which has a dataset of its own; "" for the run's.
    """

    name: str
    policy: str
    purpose: Purpose
    round: int
    episodes: int
    block: int
    acting: Acting | None = None
    first: int = 0
    task: str = ""

    @property
    def source(self) -> str:
        """Source of the batches."""
        return "collection" if self.purpose == "collection" else "evaluation"

    @property
    def of_round(self) -> int | None:
        """Round of the batches; what is played by hand belongs to none, and only counts with `round`."""
        return None if self.purpose == "manual" else self.round

    @property
    def prefix(self) -> str:
        """What the batches' ids begin with."""
        return "" if self.purpose == "manual" else f"r{self.round:03d}-"
