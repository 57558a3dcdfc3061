"""The champions' samples: what each collected, as the gate counts it and as the table shows it.

A champion's collections are fresh and unselected, so they add up to one sample. It collects again only
where a candidate did not beat it, which is likelier after a lucky sample than after an unlucky one: what
accumulates errs in the champion's favour, so the gate's level holds.
"""

from dataclasses import dataclass
from typing import Any

from ..statistics.wilson import wilson
from ..workspace.workspace import Workspace


@dataclass(frozen=True)
class Sample:
    """All collections of one champion.

    Attributes:
      champion: its id.
      episodes: how many.
      successes: episodes with score 1.
      score_sum: sum of the scores.
    """

    champion: str
    episodes: int
    successes: int
    score_sum: float

    @property
    def rate(self) -> float:
        """Mean score."""
        return self.score_sum / self.episodes

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the rate."""
        return wilson(self.score_sum, self.episodes)


def collections(space: Workspace, upto: int | None = None) -> list[dict[str, Any]]:
    """What the collections of the rounds up to one of them ended with, in order; of all by default."""
    numbers = [k for k in space.rounds() if k > 0 and (upto is None or k <= upto)]
    return [outcome for k in numbers if (outcome := space.outcome(k, "collect"))]


def samples(space: Workspace, upto: int | None = None) -> dict[str, Sample]:
    """Each champion's collections as one sample, by its id."""
    found: dict[str, Sample] = {}
    for outcome in collections(space, upto):
        name, n = outcome["champion"], outcome["episodes"]
        before = found.get(name, Sample(name, 0, 0, 0.0))
        found[name] = Sample(
            name,
            before.episodes + n,
            before.successes + outcome["successes"],
            before.score_sum + outcome["rate"] * n,
        )
    return found


def champion_sample(space: Workspace, number: int, champion: str) -> tuple[int, int]:
    """Successes and episodes of all that a champion collected up to a round."""
    own = samples(space, number).get(champion, Sample(champion, 0, 0, 0.0))
    return own.successes, own.episodes
