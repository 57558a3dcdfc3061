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
from .sample import sample_of
from .seeds import Purpose, episode_seeds

if TYPE_CHECKING:
    from ...actors.rollout.collector import CollectorPool

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


def play(space: Workspace, pool: Pool, wanted: Play, progress: Progress) -> Iterator[Batch]:
    """Yield the blocks in order; committed ones are found again, the others are played first.

    Raises DatasetError where a committed block was played by another policy: somebody changed what
    this stage was about, and mixing the two would be a lie.
    """
    record = read_record(space.policy_folder(wanted.policy))
    record = record if wanted.acting is None else replace(record, acting=wanted.acting)
    store = space.store_of(wanted.task)
    done = successes = 0
    for number, first in enumerate(range(0, wanted.episodes, wanted.block)):
        count = min(wanted.block, wanted.episodes - first)
        batch_id = f"r{wanted.round:03d}-{wanted.name}-{number:05d}"
        if store.holds(batch_id):
            batch = store.batch(batch_id)
            progress(wanted.name, done + batch.episodes, wanted.episodes, "found")
        else:
            batch = _play_block(space, pool, wanted, record, batch_id, first, count, progress, successes)
        if batch.origin.get("policy") != wanted.policy:
            raise DatasetError(
                f"batch {batch_id} was played by {batch.origin.get('policy')}, but must be {wanted.policy}'s"
            )
        done, successes = done + batch.episodes, successes + batch.successes
        yield batch


def tally(space: Workspace, pool: Pool, wanted: Play, progress: Progress) -> dict[str, Any]:
    """Play all of it, and how it went, as `records.Tally` has it."""
    batches = list(play(space, pool, wanted, progress))
    sample = sample_of(wanted.policy, batches)
    return {
        "episodes": sample.episodes,
        "successes": sample.successes,
        "rate": sample.rate,
        "interval": sample.interval,
        "binary": all(batch.binary for batch in batches),
        "steps": sum(b.steps for b in batches),
    }


def _play_block(
    space: Workspace,
    pool: Pool,
    wanted: Play,
    record: PolicyRecord,
    batch_id: str,
    first: int,
    count: int,
    progress: Progress,
    successes: int,
) -> Batch:
    run = space.config.seed
    seeds = episode_seeds(
        wanted.purpose, run=run, round=wanted.round, first=wanted.first + first, count=count
    )
    weights = (space.policy_folder(wanted.policy) / "weights.safetensors").read_bytes()
    elsewhere = {"task": wanted.task} if wanted.task else {}
    episodes = []
    for episode in pool().run(record, weights, seeds, **elsewhere):
        episodes.append(episode)
        successes += episode.score >= 1.0
        rate = successes / (first + len(episodes))
        progress(wanted.name, first + len(episodes), wanted.episodes, f"success {rate:.0%}")
    episodes.sort(key=lambda episode: episode.seed or 0)
    origin = {"policy": wanted.policy, "acting": str(record.acting), "stage": wanted.name}
    return space.store_of(wanted.task).append(
        episodes, batch_id=batch_id, source=wanted.source, round=wanted.round, origin=origin
    )
