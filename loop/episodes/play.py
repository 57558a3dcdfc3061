"""Episodes of one policy, in blocks that are committed one by one.

A block is the unit that survives a kill, and the unit in which a gate looks: it is counted only when
all its seeds have ended, since short episodes end first and are not like long ones.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...datasets import Batch
from ...datasets.errors import DatasetError
from ...learner.checkpoint import PolicyRecord, read_record
from ...learner.policy import Acting
from ..progress import Progress
from ..workspace.workspace import Workspace
from .sample import player, sample_of
from .seeds import Purpose, episode_seeds

if TYPE_CHECKING:
    from ...actors.rollout.collector import CollectorPool
    from ...datasets import Episode

Pool = Callable[[], "CollectorPool"]
"""Gives the collectors, starting them at the first call: a stage that finds its work done needs none."""


@dataclass(frozen=True)
class Play:
    """What is to be played.

    Attributes:
      name: of the stage, as in batch ids: `r003-collect-00002`.
      policy: id of the policy that acts.
      purpose: whose seeds.
      source: of the batches.
      round: number of the round.
      episodes: the most that are played.
      block: episodes in a batch; the last may be smaller.
      acting: how the policy acts, where not in its own way.
      first: position of the first seed among those of the purpose and round.
      task: a further task of `[gate.others]`, which has a dataset of its own; "" for the run's.
    """

    name: str
    policy: str
    purpose: Purpose
    source: str
    round: int
    episodes: int
    block: int
    acting: Acting | None = None
    first: int = 0
    task: str = ""


def play(space: Workspace, pool: Pool, order: Play, progress: Progress) -> Iterator[Batch]:
    """Yield the blocks in order; committed ones are found again, the others are played first.

    Raises DatasetError where a committed block was played by another policy: somebody changed what
    this stage was about, and mixing the two would be a lie.
    """
    record = read_record(space.policy_folder(order.policy))
    record = record if order.acting is None else replace(record, acting=order.acting)
    store = space.store_of(order.task)
    done = successes = 0
    for number, first in enumerate(range(0, order.episodes, order.block)):
        batch_id = f"r{order.round:03d}-{order.name}-{number:05d}"
        if store.holds(batch_id):
            batch = store.batch(batch_id)
            progress(order.name, done + batch.episodes, order.episodes, "found")
        else:
            played = _play_block(space, pool, order, record, first, _Counting(progress, order, successes))
            origin = {"policy": order.policy, "acting": str(record.acting), "stage": order.name}
            batch = store.append(
                played, batch_id=batch_id, source=order.source, round=order.round, origin=origin
            )
        if player(batch) != order.policy:
            raise DatasetError(
                f"batch {batch_id} was played by {player(batch)}, but must be {order.policy}'s"
            )
        done, successes = done + batch.episodes, successes + batch.successes
        yield batch


def tally(space: Workspace, pool: Pool, order: Play, progress: Progress) -> dict[str, Any]:
    """Play all of it, and how it went, as `records.Tally` has it."""
    batches = list(play(space, pool, order, progress))
    sample = sample_of(order.policy, batches)
    return {
        "episodes": sample.episodes,
        "successes": sample.successes,
        "rate": sample.rate,
        "interval": sample.interval,
        "binary": all(batch.binary for batch in batches),
        "steps": sum(b.steps for b in batches),
    }


@dataclass
class _Counting:
    """Reports each episode of a play as it ends."""

    progress: Progress
    order: Play
    successes: int

    def __call__(self, done: int, episode: "Episode") -> None:
        self.successes += episode.score >= 1.0
        self.progress(self.order.name, done, self.order.episodes, f"success {self.successes / done:.0%}")


def _play_block(
    space: Workspace, pool: Pool, order: Play, record: PolicyRecord, first: int, count: _Counting
) -> "list[Episode]":
    """The episodes of the block whose first one is the `first`, in the order of their seeds."""
    seeds = episode_seeds(
        order.purpose,
        run=space.config.seed,
        round=order.round,
        first=order.first + first,
        count=min(order.block, order.episodes - first),
    )
    weights = (space.policy_folder(order.policy) / "weights.safetensors").read_bytes()
    elsewhere = {"task": order.task} if order.task else {}
    episodes: list[Episode] = []
    for episode in pool().run(record, weights, seeds, **elsewhere):
        episodes.append(episode)
        count(first + len(episodes), episode)
    return sorted(episodes, key=lambda episode: episode.seed or 0)
