"""The records of a round: what each stage is about and what it ended with, one small file a stage.

    rounds/<number>/<stage>.json

A record's appearance is what ends its stage. Each says its version; one that is broken, or written by a
newer pacloop, is refused by file and field.
"""

from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from ...datasets.files import parse_model, read_json
from ...datasets.records.snapshot import Snapshot

VERSION = 1

Interval = tuple[float, float]


class Part(BaseModel):
    """A part of a record; what it does not name, it refuses."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Record(Part):
    """What all records have in common."""

    STAGE: ClassVar[str] = ""
    """The stage whose file it is, where there is only one."""

    version: int = VERSION

    def figures_shown(self) -> dict[str, int | float | str]:
        """Its plain figures, for a line of log."""
        figures = self.model_dump(exclude={"version"})
        return {name: value for name, value in figures.items() if isinstance(value, int | float | str)}


R = TypeVar("R", bound=Record)


def round_numbers(folder: Path) -> list[int]:
    """The numbers of the rounds in a workspace's folder, in order; what has no number is nobody's."""
    return sorted(int(path.name) for path in folder.glob("rounds/*") if path.name.isdecimal())


class Lineage(BaseModel):
    """What a policy came from: the round, its parent, what it read; and whatever else its learner said."""

    model_config = ConfigDict(frozen=True, extra="allow")

    round: int | None = None
    parent: str | None = None
    snapshot: str | None = None


class PolicyFacts(BaseModel):
    """What `policy.json` says that can be shown where there is no network to make."""

    model_config = ConfigDict(frozen=True)

    lineage: Lineage
    acting: dict[str, Any]
    network: dict[str, Any]
    figures: dict[str, float]


def read_facts(path: Path) -> PolicyFacts:
    """Read a `policy.json`. Raises DatasetError, naming file and field, where it is broken."""
    return parse_model(PolicyFacts, read_json(path), path)


class Identity(Record):
    """`identity.json`: who a workspace is, wherever it is moved.

    Attributes:
      id: random, in hex.
      address: where it was held last.
      holds: by the URL of a shared dataset, the names of the last two holds; see `turns.py`.
    """

    id: str
    address: str = ""
    holds: dict[str, tuple[str, ...]] = {}


class Timed(Record):
    """A stage that took time: `seconds` of the process that ended it."""

    seconds: float = 0.0


class From(Record):
    """What a workspace goes on from: the champion and the episodes of another, as they were then."""

    STAGE = "from"
    workspace: str
    id: str
    policy: str
    seed: int
    snapshot: Snapshot

    def facts(self) -> dict[str, str]:
        """Which workspace, and which policy of it."""
        return {"workspace": self.workspace, "id": self.id, "policy": self.policy}

    def sentence(self) -> str:
        """The same in words."""
        return f"goes on from {self.policy} of {self.workspace}"


class Begun(Record):
    """A round's beginning, with the id of the policy in force then.

    `watches`: whether the round before has shown that this policy has reached the target. `reigns`: how many
    there were by then, this policy's being the last; a record without it is of an older pacloop.
    """

    STAGE = "begin"
    champion: str
    watches: bool = False
    reigns: int | None = None


class Settings(Record):
    """The settings that a stage began with, by section; see `episodes/pinned.py`.

    `binary`: of a comparison, whether every score that a policy had had by then was 0 or 1.
    """

    settings: dict[str, Any]
    binary: bool | None = None


class Tally(Timed):
    """How episodes of one policy went.

    Attributes:
      successes: episodes with score 1.
      rate: mean score.
      interval: 95 % Wilson interval of the rate.
      binary: whether every score is 0 or 1.
      steps: actions in all of them.
      failed: episodes that could not be played; no other figure counts them.
    """

    episodes: int
    successes: int
    rate: float
    interval: Interval
    binary: bool = True
    steps: int = 0
    failed: int = 0


class Collected(Tally):
    """A collection: episodes of the champion on seeds nobody selected."""

    STAGE = "collect"
    champion: str


class Measured(Tally):
    """A measurement of a policy: the baseline, the final one, or one by hand."""

    policy: str


class Appended(Timed):
    """What a round may learn from.

    Attributes:
      snapshot: the batches, with `episodes` and `rows`, their steps.
      sources: its episodes by source.
      excluded: episodes of the dataset that tombstones leave out.
    """

    STAGE = "append"
    snapshot: Snapshot
    snapshot_id: str
    episodes: int
    rows: int
    sources: dict[str, int]
    excluded: int


class Learned(Timed):
    """A learner run that ended.

    Attributes:
      policy: id of what it wrote.
      parent: whose weights it went on from; None for fresh ones.
      steps: gradient steps.
      snapshot: id of what it read.
      rows: steps it could draw.
      returns: the smallest and the largest discounted return of the data.
      critic_range: of returns, in which its critic speaks; set from `returns` where the one before was short.
      figures: the learner's last.
    """

    STAGE = "learn"
    policy: str
    parent: str | None
    steps: int
    snapshot: str
    rows: int
    returns: Interval | None = None
    critic_range: Interval | None = None
    figures: dict[str, float]


class Diverged(Timed):
    """A learner run that ended without a policy: its weights were not finite, also at a lower rate.

    Attributes:
      policy: id of what it was to write.
      parent: whose weights it went on from.
      reason: one sentence.
    """

    STAGE = "diverged"
    policy: str
    parent: str
    reason: str


class Way(Part):
    """A way of acting that was raced; `episodes` is 0 where the policy failed to act so."""

    way: str
    actions: int
    successes: float
    episodes: int

    @property
    def rate(self) -> float:
        """Mean score; -1 where it failed to act."""
        return self.successes / self.episodes if self.episodes else -1.0


class Raced(Timed):
    """The race between ways of acting: the candidate that won it, and what was tried."""

    STAGE = "race"
    policy: str
    tried: tuple[Way, ...] = ()
    episodes: int = 0


class Reached(Record):
    """A round that ended because the champion's fresh sample reached the target."""

    STAGE = "reached"
    decision: Literal["reached"] = "reached"
    reason: str


class Asked(Record):
    """What an evaluation by hand is to do, written before it begins, once it is known that it can."""

    policy: str
    episodes: int
    against: str | None = None
    paired: bool = False


class GivenUp(Asked):
    """An evaluation by hand that will not be finished; what it had played stays in the dataset."""

    decision: Literal["given up"] = "given up"
