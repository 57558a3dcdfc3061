"""What became of the episodes of an injection, and what a person should know about them."""

import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ...datasets import Episode, Schema
from ...datasets.imports.readers.raw import RawEpisode, printable
from ...datasets.imports.validate import scale_hint
from ...datasets.store.quarantine import Quarantined


@dataclass
class InjectionOutcome:
    """What became of the episodes of a path.

    Attributes:
      found: how many it has: those accepted, duplicates and quarantined together.
      accepted: how many fit and are new.
      successes: how many of the accepted have score 1.
      duplicates: how many are present already, or twice in the path.
      remarks: what a person should know, each a sentence.
      batches: ids of what was committed; none where nothing was written.
      written: whether the dataset was changed.
    """

    path: str
    format: str
    found: int = 0
    accepted: int = 0
    successes: int = 0
    duplicates: int = 0
    quarantined: list[Quarantined] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)
    written: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self) | {"reasons": self.reasons()}

    def reasons(self) -> dict[str, int]:
        """How many episodes each reason speaks against. Reasons that differ in numbers only are one."""
        first: dict[str, str] = {}
        counts: Counter[str] = Counter()
        for reason in (reason for entry in self.quarantined for reason in entry.reasons):
            kind = re.sub(r"[-+.]?\d+", "#", reason)
            counts[first.setdefault(kind, reason)] += 1
        return dict(counts.most_common())

    def refused(self, *, strict: bool) -> bool:
        """Whether the request failed: nothing in it was good, or not everything where that was demanded."""
        return bool(self.quarantined) and (strict or not (self.accepted or self.duplicates))


@dataclass
class Remarks:
    """What a person should know of episodes that were accepted, gathered one by one."""

    low: float = np.inf
    high: float = -np.inf
    unread: set[str] = field(default_factory=set)
    is_rate_unknown: bool = False
    is_last_repeated: bool = False

    def add(self, raw: RawEpisode, episode: Episode) -> None:
        """Take note of an accepted episode."""
        self.low = min(self.low, float(episode.action.min()))
        self.high = max(self.high, float(episode.action.max()))
        self.unread.update(map(printable, raw.unread))
        self.is_rate_unknown |= raw.control_hz is None
        self.is_last_repeated |= raw.info.get("last_observation") == "repeated"

    def sentences(self, schema: Schema) -> list[str]:
        """What there is to say."""
        remarks = []
        bounds = schema.action_minimum[0], schema.action_maximum[0]
        if self.low <= self.high and (hint := scale_hint(self.low, self.high, *bounds)):
            remarks.append(f"actions lie in [{self.low:g}, {self.high:g}]; {hint}")
        if self.unread:
            remarks.append(f"not taken, as the dataset has no such field: {', '.join(sorted(self.unread))}")
        if self.is_rate_unknown:
            remarks.append(f"the control rate is not in the file: {schema.control_hz:g} Hz is assumed")
        if self.is_last_repeated:
            remarks.append("the file has no observation after the last action: the last one was repeated")
        return remarks
