"""Which episodes count as whose: the one place.

A champion's *sample* is all that it collected: fresh, and chosen by nobody. It collects again only where a
candidate did not beat it, which is likelier after a lucky sample than after an unlucky one: what accumulates
errs in the champion's favour, so the gate's level holds. One that comes back, by a rollback for example, was
beaten meanwhile, which is likelier after an unlucky sample: it begins anew.

*Fresh* are besides: its arm in a gate that plays both, and evaluations; not the gate, the race and the
comparison by hand that it won.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...actors.rollout.slot import Failure
from ...datasets import Batch
from ..statistics.wilson import wilson
from ..workspace.place import command
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
      failed: how many could not be played, besides.
    """

    batches: int
    episodes: int
    successes: int
    score_sum: float
    steps: int
    failed: int = 0

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
        failed=sum(len(failures(b)) for b in own),
    )


def failures(batch: Batch) -> list[Failure]:
    """The episodes of a batch's block that could not be played."""
    return [Failure(**entry) for entry in batch.origin.get("failed", ())]


def failed_sentence(space: Workspace, batches: Iterable[Batch]) -> str:
    """How many episodes could not be played, and where the last of them is on record; "" for none."""
    known = [(batch, failed) for batch in batches if (failed := failures(batch))]
    if not known:
        return ""
    batch, failed = known[-1]
    total = sum(len(each) for _, each in known)
    return (
        f"{total} episode{'s' if total > 1 else ''} could not be played; the last: {failed[-1].reason} "
        f"({command(f'dataset show {batch.id}', space.place)})"
    )


def own_batches(space: Workspace, task: str = "") -> list[Batch]:
    """The dataset, or that of a further task, without what other workspaces played, as it was committed."""
    return [batch for batch in space.store_of(task).batches() if is_own(space, batch)]


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
    """All that a policy collected after a round, up to one where it is named, in order.

    Episodes of another horizon than the last collection's, or of other versions of the physics, are of
    another task, and do not count.
    """
    own = [
        batch
        for batch in batches
        if batch.source == "collection"
        and player(batch) == policy
        and after < (batch.round or 0) <= (upto or batch.round or 0)
    ]
    own.sort(key=lambda batch: (batch.round or 0, batch.id))  # round 1000 comes after 999
    return [batch for batch in own if _same_task(batch.origin, own[-1].origin)]


def _same_task(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether what two batches say of their task agrees."""
    return all(one[name] == other[name] for name in ("horizon", "physics") if name in one and name in other)


def champion_batches(
    space: Workspace, number: int, champion: str, batches: Iterable[Batch] | None = None
) -> list[Batch]:
    """All that a champion collected up to a round, since it came into force.

    `batches` are the workspace's own, where they are at hand.
    """
    batches = own_batches(space) if batches is None else batches
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


def played_batches(space: Workspace, task: str = "") -> list[Batch]:
    """All that policies of this workspace played, on a further task where one is named."""
    return [batch for batch in own_batches(space, task) if batch.source in ("collection", "evaluation")]


def all_binary(space: Workspace, task: str = "") -> bool:
    """Whether every score that a policy had so far, on a further task where one is named, is 0 or 1."""
    return all(batch.binary for batch in played_batches(space, task))


def scores(space: Workspace, batches: Sequence[Batch], failed: float | None = None) -> np.ndarray:
    """`[episodes]`: the scores of batches; of a binary batch ones first, else in the episodes' order.

    What could not be played has the score `failed`, at the end of its batch; without one, it is left out.
    """
    return np.concatenate([np.zeros(0), *(_scores(space, batch, failed) for batch in batches)])


def scores_by_seed(space: Workspace, batch: Batch, task: str, failed: float) -> np.ndarray:
    """`[seeds]`: the scores of a batch's block in the order of the seeds.

    What could not be played has the score `failed`; `task` is the further task of the batch, or "".
    """
    pairs = [(row.seed or 0, row.score) for row in space.store_of(task).iter_rows([batch.id])]
    pairs += [(failure.seed, failed) for failure in failures(batch)]
    return np.array([score for _, score in sorted(pairs, key=lambda pair: pair[0])])


def is_own(space: Workspace, batch: Batch) -> bool:
    """Whether a batch is no other workspace's.

    A batch of a stage says whose it is, unless it was made before workspaces had identities. Then it is
    this workspace's, unless the dataset is shared and there is no record here of a stage of that time. One
    of no stage came from outside: where it names a workspace, `init --from` copied it from there.
    """
    if not stage_of(batch):
        return True
    if owner := batch.origin.get("workspace"):
        return owner == space.id
    if not space.config.dataset.url or batch.round is None:
        return True
    stage = stage_of(batch).removesuffix("-champion")
    stage = "race" if stage.startswith("race-") else stage
    return space.has_record(batch.round, stage) and not space.has_record(batch.round, f"begin-{stage}")


def _is_fresh(batch: Batch) -> bool:
    stage = stage_of(batch)
    won = stage.startswith("compare") and not stage.endswith("-against")
    selected = stage == "gate" or stage.startswith("race") or won
    return batch.source in ("collection", "evaluation") and not selected


def _scores(space: Workspace, batch: Batch, failed: float | None) -> np.ndarray:
    if batch.binary:
        played = (np.arange(batch.episodes) < batch.successes).astype(float)
    else:
        played = np.array([row.score for row in space.store.iter_rows([batch.id])])
    return played if failed is None else np.append(played, [failed] * len(failures(batch)))
