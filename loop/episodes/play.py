"""Episodes of one policy, in blocks that are committed one by one.

A block is the unit that survives a kill, and the unit in which a gate looks: it is counted only when
all its seeds have ended, since short episodes end first and are not like long ones.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...datasets import Batch
from ...datasets.errors import DatasetError
from ...learner.checkpoint import PolicyRecord, read_record, weights_file
from ...learner.policy import Acting
from ..progress import Progress, stopwatch
from ..workspace.workspace import Workspace
from .sample import player, sample_of
from .seeds import Purpose, episode_seeds

if TYPE_CHECKING:
    from ...actors.rollout.collector import CollectorPool
    from ...datasets import Episode

Pool = Callable[[], "CollectorPool"]
"""Gives the collectors, starting them at the first call: a stage that finds its work done needs none."""


@dataclass(frozen=True)
class Session:
    """What the stages of one process work with.

    Attributes:
      space: the workspace, whose lease the process holds.
      pool: gives the collectors.
      progress: hears of what goes on.
    """

    space: Workspace
    pool: Pool
    progress: Progress


@dataclass(frozen=True)
class Play:
    """What is to be played.

    Attributes:
      name: of the stage, as in batch ids: `r003-collect-00002`.
      policy: id of the policy that acts.
      purpose: whose seeds.
      round: number of the round; by hand, of the evaluation.
      episodes: the most that are played.
      block: episodes in a batch; the last may be smaller.
      acting: how the policy acts, where not in its own way.
      first: position of the first seed among those of the purpose and round.
      task: a further task of `[gate.others]`, which has a dataset of its own; "" for the run's.
    """

    name: str
    policy: str
    purpose: Purpose
    round: int
    episodes: int
    block: int
    acting: Acting | None = None
    first: int = 0
    task: str = ""

    @property
    def source(self) -> str:
        """Source of the batches."""
        return "collection" if self.purpose == "collection" else "evaluation"

    @property
    def of_round(self) -> int | None:
        """Round of the batches; what is played by hand belongs to none, and only counts with `round`."""
        return None if self.purpose == "manual" else self.round

    @property
    def prefix(self) -> str:
        """What the batches' ids begin with."""
        return "" if self.purpose == "manual" else f"r{self.round:03d}-"


def play(session: Session, order: Play) -> Iterator[Batch]:
    """Yield the blocks in order; committed ones are found again, the others are played first.

    Raises DatasetError where a committed block was played by another policy: somebody changed what
    this stage was about, and mixing the two would be a lie.
    """
    space = session.space
    record = read_record(space.policy_folder(order.policy))
    record = replace(record, acting=order.acting or record.acting)
    store = space.store_of(order.task)
    done = successes = 0
    for number, first in enumerate(range(0, order.episodes, order.block)):
        batch_id = f"{order.prefix}{order.name}-{number:05d}"
        if store.holds(batch_id):
            batch = store.batch(batch_id)
            session.progress(order.name, done + batch.episodes, order.episodes, "found")
        else:
            episodes = _play_block(session, order, record, first, successes)
            origin = {
                "policy": order.policy,
                "acting": str(record.acting),
                "stage": order.name,
                "horizon": store.schema.horizon,
            }
            batch = store.append(
                episodes, batch_id=batch_id, source=order.source, round=order.of_round, origin=origin
            )
        if player(batch) != order.policy:
            raise DatasetError(
                f"batch {batch_id} was played by {player(batch)}, but must be {order.policy}'s"
            )
        done, successes = done + batch.episodes, successes + batch.successes
        yield batch


def tally(session: Session, order: Play) -> dict[str, Any]:
    """Play all of it, and how it went, as `records.Tally` has it."""
    watch, batches = stopwatch(), list(play(session, order))
    sample = sample_of(batches)
    return {
        "episodes": sample.episodes,
        "successes": sample.successes,
        "rate": sample.rate,
        "interval": sample.interval,
        "binary": all(batch.binary for batch in batches),
        "steps": sample.steps,
        "seconds": watch(),
    }


def _play_block(
    session: Session, order: Play, record: PolicyRecord, first: int, successes: int
) -> "list[Episode]":
    """The episodes of the block that begins with the `first`, in the order of their seeds.

    `successes` are those of the blocks before it.
    """
    seeds = episode_seeds(
        order.purpose,
        run=session.space.config.seed,
        round=order.round,
        first=order.first + first,
        count=min(order.block, order.episodes - first),
    )
    weights = weights_file(session.space.policy_folder(order.policy))
    elsewhere = {"task": order.task} if order.task else {}
    episodes: list[Episode] = []
    for episode in session.pool().run(record, weights, seeds, **elsewhere):
        episodes.append(episode)
        successes += episode.score >= 1.0
        done = first + len(episodes)
        session.progress(order.name, done, order.episodes, f"success {successes / done:.0%}")
    return sorted(episodes, key=lambda episode: episode.seed or 0)
