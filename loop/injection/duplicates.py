"""Which episodes the dataset holds already, so that nothing is injected twice."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...datasets.records.rows import episode_digest
from ..workspace.workspace import Workspace

if TYPE_CHECKING:
    from ...datasets import Episode

EpisodeKey = tuple[str, float]
"""An episode's digest and score."""


@dataclass(frozen=True)
class KnownEpisodes:
    """What is in the dataset already.

    Attributes:
      digests: of the episodes that count; whoever accepts another one adds its digest.
      excluded: keys of the excluded episodes of one source. They count as present, while the same
        recording with another score or source, as somebody mends a mistake, is new.
    """

    digests: set[str]
    excluded: frozenset[EpisodeKey]


def known_episodes(space: Workspace, source: str) -> KnownEpisodes:
    """All episodes of the dataset that count, and the excluded ones of `source`."""
    if not space.has_store():
        return KnownEpisodes(set(), frozenset())
    store = space.open_store()
    excluded_ids, digests, excluded = store.excluded(), set(), set()
    for batch in store.batches():
        for row in store.iter_rows([batch]):
            if row.id not in excluded_ids:
                digests.add(row.digest)
            elif batch.source == source:
                excluded.add((row.digest, row.score))
    return KnownEpisodes(digests, frozenset(excluded))


def episode_key(episode: "Episode") -> EpisodeKey:
    """The key of an episode."""
    return episode_digest(episode), episode.score
