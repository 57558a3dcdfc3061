"""A batch of episodes as its manifest describes it: what it holds, where it came from, its digests."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..errors import DatasetError
from ..files import Strict, fingerprint

SOURCES = ("demonstration", "collection", "evaluation", "intervention")
"""Where a batch may come from. The position in this tuple is the number a replay reports."""

VERSION = 2

_ID = re.compile(r"[a-z0-9][a-z0-9._-]*")
LONGEST_ID = 128  # the temporary folder's name adds host and pid, and names end at 255 bytes


@dataclass(frozen=True)
class Batch(Strict):
    """The manifest of a batch. That it lies in its place is the commit.

    Attributes:
      id: a function of what produced it.
      source: one of `SOURCES`.
      round: the round it was made in; None where it belongs to none.
      steps: number of actions in all episodes together.
      successes: number of episodes with score 1.
      digests: XXH3 (128 bits) of each data file by name.
      digest: BLAKE3 of the content (episodes, source, round, schema), whatever the file format.
      schema: fingerprint of its steps' layout.
      origin: free JSON: policy id, host, command, note and the like.
      committed: ISO time of the commit, UTC; before it "", or that of an earlier one. Where a clock was set
        back it is later than those that its writer knew all the same, so that the order stays.
    """

    id: str
    source: str
    round: int | None
    episodes: int
    steps: int
    successes: int
    score_sum: float
    digests: Mapping[str, str]
    digest: str
    schema: str
    origin: Mapping[str, Any]
    committed: str
    version: int = VERSION

    def __post_init__(self) -> None:
        """Raise DatasetError, naming the field, where there cannot be such a batch."""
        check_batch_id(self.id)
        check_source(self.source)
        if self.round is not None and not isinstance(self.round, int):
            raise DatasetError(f"batch {self.id}: round is {self.round!r}, but must be a number or None")
        try:
            zone = self.committed and datetime.fromisoformat(self.committed).tzinfo
        except ValueError:
            zone = None
        if zone is None:
            raise DatasetError(
                f"batch {self.id}: committed is {self.committed!r}, but must be a time with a zone"
            )
        if self.episodes < 1:
            raise DatasetError(f"batch {self.id} has no episodes")

    @property
    def content(self) -> str:
        """What tells its episodes from others; two ways of acting may play the same in two stages."""
        return fingerprint([self.digest, self.origin.get("stage")])[:32]

    @property
    def mean_score(self) -> float:
        """Mean score of the episodes; the success rate where the task is binary."""
        return self.score_sum / self.episodes

    @property
    def binary(self) -> bool:
        """Whether every score is 0 or 1."""
        return abs(self.score_sum - self.successes) < 1e-9


def batch_of(episode_id: str) -> str:
    """The id of the batch that holds an episode, `<batch>/<number>`; "" where it names no episode."""
    return episode_id.rpartition("/")[0]


def by_batch(episode_ids: Iterable[str]) -> dict[str, list[str]]:
    """The ids by the batches that hold them, in their order."""
    groups: dict[str, list[str]] = {}
    for episode in episode_ids:
        groups.setdefault(batch_of(episode), []).append(episode)
    return groups


def check_source(source: str) -> None:
    """Raise DatasetError where `source` is none of `SOURCES`."""
    if source not in SOURCES:
        raise DatasetError(f"source is {source!r}, but must be one of {', '.join(SOURCES)}")


def episodes_by_source(batches: Iterable[Batch]) -> dict[str, int]:
    """How many episodes came from each source, in the order in which the sources first occur."""
    counts = Counter()
    for batch in batches:
        counts[batch.source] += batch.episodes
    return dict(counts)


def check_batch_id(batch_id: str) -> None:
    """Raise DatasetError where `batch_id` cannot name a batch."""
    if not _ID.fullmatch(batch_id) or len(batch_id) > LONGEST_ID:
        raise DatasetError(
            f"batch id is {batch_id!r}, but must be 1 to {LONGEST_ID} of a-z, 0-9, '.', '_', '-', "
            "starting with a letter or digit"
        )
