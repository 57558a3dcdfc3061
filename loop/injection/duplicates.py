"""Which episodes the dataset holds already, so that nothing is injected twice."""

from typing import TYPE_CHECKING

from ...datasets.records.rows import episode_digest
from ..workspace.workspace import Workspace

if TYPE_CHECKING:
    from ...datasets import Episode

EpisodeKey = tuple[str, float]
"""An episode's digest and score."""


def known_episodes(space: Workspace, source: str) -> tuple[set[str], set[EpisodeKey]]:
    """Digests of the episodes of the dataset that count, and keys of the excluded ones of `source`.

    All of them are present. The same recording as an excluded one, but with another score or source, as
    somebody mends a mistake, is new.
    """
    digests, excluded = set(), set()
    if space.has_store():
        store = space.open_store()
        excluded_ids = store.excluded()
        for batch in store.batches():
            for row in store.iter_rows([batch]):
                if row.id not in excluded_ids:
                    digests.add(row.digest)
                elif batch.source == source:
                    excluded.add((row.digest, row.score))
    return digests, excluded


def episode_key(episode: "Episode") -> EpisodeKey:
    """The key of an episode."""
    return episode_digest(episode), episode.score
