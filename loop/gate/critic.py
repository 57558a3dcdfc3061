"""What the candidate's critic is worth: does Q tell success, and is it off from the returns that follow?

Some blocks of every collection are kept out of learning (`[learn] held_out`). On them, and on the candidate's
own episodes in the gate, the critic is asked about the actions that were taken. The figures go with the
verdict; nothing is decided by them.
"""

from collections.abc import Sequence

from ...datasets import Batch, Snapshot
from ...learner.checkpoint import read_policy
from ...learner.critic_check import calibration, discrimination, visit
from ..episodes.sample import of_stage, own_batches
from ..progress import Progress, stopwatch
from ..workspace.records import Appended, Learned
from ..workspace.verdict import CriticChecked, CriticFigures, Verdict
from ..workspace.workspace import Workspace

MOST_BATCHES = 4
"""So many of the newest are looked at: two seconds of one core, and old champions' states matter less."""


def learnable(batches: Sequence[Batch], share: float) -> list[Batch]:
    """Those that a learner may read: all but every so manieth block of each collection.

    A function of a batch's name alone, so what was once kept out stays out while `share` stays as it is.
    """
    every = round(1 / share) if share else 0
    return [batch for batch in batches if not (every and _is_last_of(batch, every))]


def held_out(space: Workspace, number: int) -> Snapshot:
    """The newest collected blocks that no learner has read up to a round, whatever the settings were then."""
    pinned = [space.record(Appended, k) for k in space.rounds() if k <= number]
    learned = {name for record in pinned if record for name in record.snapshot.batch_ids}
    unread = [
        batch
        for batch in own_batches(space)
        if batch.source == "collection" and (batch.round or 0) <= number and batch.id not in learned
    ]
    unread.sort(key=lambda batch: (batch.round or 0, batch.id))
    return space.store.snapshot(batches=unread[-MOST_BATCHES:])


def check_critic(space: Workspace, number: int, progress: Progress) -> CriticChecked:
    """Check the critic of the round's candidate on episodes kept out of learning, and record it."""
    if done := space.record(CriticChecked, number):
        return done
    watch, policy = stopwatch(), space.require(Learned, number).policy
    snapshot = held_out(space, number)
    figures = critic_figures(space, policy, snapshot)
    note = figures.sentence() if figures else "no episodes are kept out of learning yet"
    progress("critic", 1, 1, note)
    return space.write_record(number, CriticChecked(policy=policy, figures=figures, seconds=watch()))


def critic_figures(space: Workspace, policy: str, snapshot: Snapshot) -> CriticFigures | None:
    """A policy's critic on the episodes of a snapshot; None where it has none."""
    if not snapshot.batches:
        return None
    import torch

    torch.set_num_threads(space.config.learn.threads)
    acting = read_policy(space.policy_folder(policy))
    discount, history = space.config.learn.discount, acting.network.config.history
    visited, step, won = visit(space.store, snapshot, discount=discount, history=history)
    q = acting.q(visited.observation, visited.action)
    figures = {**discrimination(q, step, won), **calibration(q, visited.n_step_return)}
    return CriticFigures.model_validate({"episodes": int((step == 0).sum()), **figures})


def with_critic(space: Workspace, number: int, verdict: Verdict) -> Verdict:
    """The verdict with the figures of the candidate's critic, on held-out episodes and on its own.

    No learner has read its own in the gate either, and they are of the policy whose return the critic is to
    tell.
    """
    checked = space.record(CriticChecked, number)
    if checked is None:
        return verdict
    own = of_stage(own_batches(space), number, "gate")
    figures = critic_figures(space, verdict.candidate, space.store.snapshot(batches=own[:MOST_BATCHES]))
    return verdict.model_copy(update={"critic": checked.figures, "own_critic": figures})


def _is_last_of(batch: Batch, every: int) -> bool:
    number = batch.id.rpartition("-")[2]
    return batch.source == "collection" and number.isdecimal() and (int(number) + 1) % every == 0
