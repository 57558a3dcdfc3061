"""The dataset by where its episodes came from."""

from collections.abc import Iterable
from dataclasses import dataclass

from ...datasets import SOURCES, Batch


@dataclass(frozen=True)
class Share:
    """All batches of one source.

    Attributes:
      source: see `SOURCES`.
      batches: how many.
      episodes: how many.
      steps: actions in all episodes together.
      rate: mean score.
    """

    source: str
    batches: int
    episodes: int
    steps: int
    rate: float


def by_source(batches: Iterable[Batch]) -> list[Share]:
    """What each source gave, in the order of `SOURCES`; sources that gave nothing are left out."""
    found = list(batches)
    return [_share(source, own) for source in SOURCES if (own := [b for b in found if b.source == source])]


def _share(source: str, own: list[Batch]) -> Share:
    episodes = sum(b.episodes for b in own)
    score = sum(b.score_sum for b in own)
    return Share(source, len(own), episodes, sum(b.steps for b in own), score / episodes)
