"""A batch of episodes as its manifest tells it: what it holds, where it came from, its digests."""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from ..files import read_json

SOURCES = ("demonstration", "collection", "evaluation", "intervention")
"""Where a batch may come from. The position in this tuple is the number a replay reports."""

MANIFEST = "batch.json"
VERSION = 1

_ID = re.compile(r"[a-z0-9][a-z0-9._-]*")
_LONGEST_ID = 128  # the temporary folder's name adds host and pid, and names end at 255 bytes


@dataclass(frozen=True)
class Batch:
    """The manifest of a committed batch. Its presence in the batch's folder is the commit.

    Attributes:
      id: name of the batch, a function of what produced it.
      source: one of `SOURCES`.
      round: the round it was made in; None where it belongs to none.
      episodes: number of episodes.
      steps: number of actions in all episodes together.
      successes: number of episodes with score 1.
      score_sum: sum of the episodes' scores.
      digests: XXH3 (128 bits) of each data file by name.
      digest: BLAKE3 of the content (episodes, source, round, schema), whatever the file format.
      schema: fingerprint of the schema.
      origin: free JSON: policy id, host, command, note and the like.
      committed: ISO time of the commit, UTC.
      version: format of the batch's folder.
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

    @property
    def mean_score(self) -> float:
        """Mean score of the episodes; the success rate where the task is binary."""
        return self.score_sum / self.episodes

    @property
    def binary(self) -> bool:
        """Whether every score is 0 or 1."""
        return abs(self.score_sum - self.successes) < 1e-9

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` gives an equal batch back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any], path: Path | str = MANIFEST) -> "Batch":
        """Read what `to_json` wrote. Raises DatasetError, naming `path`, where it does not fit."""
        version = data.get("version") if isinstance(data, Mapping) else None
        if not isinstance(version, int):
            raise DatasetError(f"{path} is no manifest of a batch: it has no version")
        if version > VERSION:
            raise DatasetError(
                f"{path} has version {version}, but this pacloop reads versions up to {VERSION}: upgrade it"
            )
        names = {field.name for field in dataclasses.fields(cls)}
        if set(data) != names:
            wrong = sorted(names ^ set(data))
            raise DatasetError(f"{path} has missing or unknown keys: {', '.join(wrong)}")
        if not isinstance(data["digests"], dict) or not data["episodes"] or data["source"] not in SOURCES:
            raise DatasetError(f"{path} must have digests by file name, episodes, and a known source")
        return cls(**data)


def read_batch(folder: Path) -> Batch:
    """The manifest of the batch in `folder`. Raises DatasetError where it is missing, broken or too new."""
    path = folder / MANIFEST
    batch = Batch.from_json(read_json(path), path)
    if batch.id != folder.name:
        raise DatasetError(f"{path} says id {batch.id!r}, but its folder is called {folder.name!r}")
    return batch


def batch_of(episode_id: str) -> str:
    """The id of the batch that holds an episode, `<batch>/<number>`; "" where it names no episode."""
    return episode_id.rpartition("/")[0]


def by_batch(episode_ids: Iterable[str]) -> dict[str, list[str]]:
    """The ids by the batches that hold them, in their order."""
    found: dict[str, list[str]] = {}
    for episode in episode_ids:
        found.setdefault(batch_of(episode), []).append(episode)
    return found


def check_source(source: str) -> None:
    """Raise DatasetError where `source` is none of `SOURCES`."""
    if source not in SOURCES:
        raise DatasetError(f"source is {source!r}, but must be one of {', '.join(SOURCES)}")


def episodes_by_source(batches: Iterable[Batch]) -> dict[str, int]:
    """How many episodes came from each source, in the order in which the sources first occur."""
    counts: dict[str, int] = {}
    for batch in batches:
        counts[batch.source] = counts.get(batch.source, 0) + batch.episodes
    return counts


def check_batch_id(batch_id: str) -> None:
    """Raise DatasetError where `batch_id` cannot name a batch."""
    if not _ID.fullmatch(batch_id) or len(batch_id) > _LONGEST_ID:
        raise DatasetError(
            f"batch id is {batch_id!r}, but must be 1 to {_LONGEST_ID} of a-z, 0-9, '.', '_', '-', "
            "starting with a letter or digit"
        )
