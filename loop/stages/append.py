"""Append: the round's data is closed, checked against what was reported, and pinned for the learner."""

from ...datasets import EpisodeStore, Snapshot
from ...datasets.records.batch import episodes_by_source
from ..episodes.sample import is_own, own_batches
from ..errors import LoopError
from ..gate.critic import learnable
from ..injection.demonstrations import no_demonstrations
from ..progress import Progress, stopwatch
from ..workspace.records import Appended, Collected
from ..workspace.workspace import Workspace
from .mirror import mirror


def append(space: Workspace, number: int, progress: Progress) -> Appended:
    """Pin what is learned from. Raises LoopError where what was collected is missing, or nothing is there."""
    if done := space.record(Appended, number):
        return done
    watch, store = stopwatch(), space.store
    store.clean()
    check_collected(space, number)
    # Another run's evaluation may be on the very seeds on which this run will evaluate.
    known = [batch for batch in store.batches() if batch.source != "evaluation" or is_own(space, batch)]
    snapshot = store.snapshot(batches=learnable(known, space.config.learn.held_out))
    if not snapshot.batches:
        raise no_demonstrations(space)
    progress("append", len(snapshot.batches), len(snapshot.batches), f"snapshot {snapshot.id}")
    record = space.write_record(number, pinned_data(store, snapshot, watch()))
    mirror(space, progress)
    return record


def pinned_data(store: EpisodeStore, snapshot: Snapshot, seconds: float = 0.0) -> Appended:
    """What is on record of a snapshot from which a round learns."""
    batches = store.counted(snapshot)
    return Appended(
        snapshot=snapshot,
        snapshot_id=snapshot.id,
        episodes=sum(b.episodes for b in batches),
        rows=sum(b.steps for b in batches),
        sources=episodes_by_source(batches),
        excluded=len(store.excluded()),
        seconds=seconds,
    )


def check_collected(space: Workspace, number: int) -> None:
    """Raise LoopError unless all that a round collected is there, also what somebody has excluded since."""
    batches = own_batches(space)
    stored = sum(b.episodes for b in batches if b.round == number and b.source == "collection")
    reported = space.record(Collected, number)
    if reported and reported.episodes != stored:
        raise LoopError(
            f"round {number} collected {reported.episodes} episodes, but the dataset holds {stored}"
        )
