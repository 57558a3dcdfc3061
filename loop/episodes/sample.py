"""Which episodes count as whose: the one place.

A champion's *sample* is all that it collected: fresh, and chosen by nobody. It collects again only where a
candidate did not beat it, which is likelier after a lucky sample than after an unlucky one: what accumulates
errs in the champion's favour, so the gate's level holds. One that comes back, by a rollback for example, was
beaten meanwhile, which is likelier after an unlucky sample: it begins anew.

*Fresh* are besides: its arm in a gate that plays both, and evaluations; not the gate, the race and the
comparison by hand that it won.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ...datasets import Batch
from ..statistics.wilson import wilson
from ..workspace.workspace import Workspace


@dataclass(frozen=True)
class Sample:
    """Episodes of some batches.

    Attributes:
      batches: how many.
      episodes: how many.
      successes: episodes with score 1.
      score_sum: sum of the scores.
      steps: actions in all of them.
    """

    batches: int
    episodes: int
    successes: int
    score_sum: float
    steps: int

    @property
    def rate(self) -> float:
        """Mean score; 0 without episodes."""
        return self.score_sum / max(self.episodes, 1)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the rate."""
        return wilson(self.score_sum, self.episodes)


def sample_of(batches: Iterable[Batch]) -> Sample:
    """What batches add up to."""
    own = list(batches)
    return Sample(
        batches=len(own),
        episodes=sum(b.episodes for b in own),
        successes=sum(b.successes for b in own),
        score_sum=sum(b.score_sum for b in own),
        steps=sum(b.steps for b in own),
    )


def player(batch: Batch) -> str:
    """Id of the policy that played a batch; "" where none did."""
    return str(batch.origin.get("policy") or "")


def stage_of(batch: Batch) -> str:
    """The stage that played a batch; "" where none did."""
    return str(batch.origin.get("stage") or "")


def of_stage(batches: Iterable[Batch], number: int | None, stage: str) -> list[Batch]:
    """Those that a stage of a round, or one by hand, played, in their order."""
    return [batch for batch in batches if batch.round == number and stage_of(batch) == stage]


def collections(
    batches: Iterable[Batch], policy: str, upto: int | None = None, *, after: int = 0
) -> list[Batch]:
    """All that a policy collected after a round, up to one where it is named, in the order of the ids.

    Episodes of another horizon than the last collection's are of another task, and do not count.
    """
    own = [
        batch
        for batch in batches
        if batch.source == "collection"
        and player(batch) == policy
        and after < (batch.round or 0) <= (upto or batch.round or 0)
    ]
    own.sort(key=lambda batch: batch.id)
    return [batch for batch in own if batch.origin.get("horizon") == own[-1].origin.get("horizon")]


def champion_batches(
    space: Workspace, number: int, champion: str, batches: Iterable[Batch] | None = None
) -> list[Batch]:
    """All that a champion collected up to a round, since it came into force.

    `batches` are all of the store, where they are at hand.
    """
    batches = space.store.batches() if batches is None else batches
    return collections(batches, champion, number, after=space.registry.returned_after(champion))


def champion_sample(
    space: Workspace, number: int, champion: str, batches: Iterable[Batch] | None = None
) -> Sample:
    """What they add up to."""
    return sample_of(champion_batches(space, number, champion, batches))


def fresh(batches: Iterable[Batch], policy: str, after: int = 0) -> list[list[Batch]]:
    """A policy's fresh batches by occasion, one stage of one round each, in the order of the commits.

    Those of rounds up to `after` do not count, but for round 0.
    """
    occasions: dict[tuple[int | None, str], list[Batch]] = {}
    for batch in batches:
        if player(batch) == policy and _is_fresh(batch) and (batch.round or after + 1) > after:
            occasions.setdefault((batch.round, stage_of(batch)), []).append(batch)
    return list(occasions.values())


def scores(space: Workspace, batches: Sequence[Batch]) -> np.ndarray:
    """`[episodes]`: the scores of batches; of a binary batch ones first, else in the episodes' order."""
    return np.concatenate([np.zeros(0), *(_scores(space, batch) for batch in batches)])


def _is_fresh(batch: Batch) -> bool:
    stage = stage_of(batch)
    won = stage.startswith("compare") and not stage.endswith("-against")
    selected = stage == "gate" or stage.startswith("race") or won
    return batch.source in ("collection", "evaluation") and not selected


def _scores(space: Workspace, batch: Batch) -> np.ndarray:
    if batch.binary:
        return (np.arange(batch.episodes) < batch.successes).astype(float)
    return np.array([row.score for row in space.store.iter_rows([batch.id])])
