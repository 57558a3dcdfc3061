"""What the dataset holds already, so that nothing is injected twice."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...datasets.records.rows import episode_digest
from ..workspace.workspace import Workspace

if TYPE_CHECKING:
    from ...datasets import Episode

Mark = tuple[str, float]
"""An episode's digest and score."""


@dataclass(frozen=True)
class Present:
    """What is in the dataset already.

    Attributes:
      known: digests of the episodes that count, and of those of this path so far.
      excluded: marks of the excluded ones that are of the request's source. They count as present, while
        the same recording with another score or source, as somebody mends a mistake, is new.
    """

    known: set[str]
    excluded: frozenset[Mark]


def present(space: Workspace, source: str) -> Present:
    """What the dataset holds of `source`, and all of it that counts."""
    if not space.has_store():
        return Present(set(), frozenset())
    store = space.open_store()
    gone, known, excluded = store.excluded(), set(), set()
    for batch in store.batches():
        for row in store.iter_rows([batch]):
            if row.id not in gone:
                known.add(row.digest)
            elif batch.source == source:
                excluded.add((row.digest, row.score))
    return Present(known, frozenset(excluded))


def mark_of(episode: "Episode") -> Mark:
    """The mark of an episode."""
    return episode_digest(episode), episode.score
