"""The two arms of a comparison, block by block: the scores of champion and candidate so far."""

from collections.abc import Iterator, Sequence

import numpy as np

from ...datasets import Batch
from ..episodes.play import Play, Session, play
from ..episodes.sample import scores
from .guards import Guard


class Arm:
    """Scores of one policy, `[n]`, and its numbers for each guard by name."""

    def __init__(self, guards: Sequence[Guard] = ()) -> None:
        """Begin with nothing."""
        self._guards = guards
        self.scores = np.zeros(0)
        self.numbers = {guard.name: np.zeros(0) for guard in guards}

    @property
    def n(self) -> int:
        """Episodes so far."""
        return len(self.scores)

    def add(self, batch: Batch, scores: np.ndarray) -> None:
        """Add a batch's episodes."""
        self.scores = np.append(self.scores, scores)
        for guard in self._guards:
            self.numbers[guard.name] = np.append(self.numbers[guard.name], guard.values(batch))


def arms(
    session: Session,
    *,
    new: Play,
    old: Play | None,
    given: Sequence[Batch] = (),
    guards: Sequence[Guard] = (),
) -> Iterator[tuple[Arm, Arm]]:
    """Yield champion and candidate after each block of the candidate.

    The champion's episodes are those `given`, or, where `old` is to be played, as many as the candidate's.
    Both then take turns in who plays a block first, so that a drift of the conditions meets them alike.
    """
    space = session.space
    played = {"old": Arm(guards), "new": Arm(guards)}
    for batch in given:
        played["old"].add(batch, scores(space, [batch]))
    sources = {"old": old and play(session, old), "new": play(session, new)}
    store = space.store_of(new.task)
    for block in range(-(-new.episodes // new.block)):
        for name in ("old", "new") if block % 2 == 0 else ("new", "old"):
            if (source := sources[name]) is not None:
                batch = next(source)
                # In the order of the seeds: pairs are made by position.
                played[name].add(batch, np.array([row.score for row in store.iter_rows([batch.id])]))
        yield played["old"], played["new"]
