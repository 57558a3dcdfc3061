"""Learn: a learner run on the snapshot of the round; whose weights it goes on from, and what it leaves."""

import socket
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...learner.checkpoint import PolicyRecord, read_record, read_weights
from ...learner.config import SIZES, LearnConfig, cover_returns, in_short
from ...learner.policy import Acting
from ..errors import LoopError
from ..progress import Progress, stopwatch
from ..workspace.candidates import last_candidate
from ..workspace.machine import code
from ..workspace.policies import write_policy
from ..workspace.records import Appended, Begun, Diverged, Learned
from ..workspace.workspace import Workspace
from .replay import open_replay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


def learn(space: Workspace, number: int, progress: Progress) -> Learned | Diverged:
    """Learn a candidate from all data of the round's snapshot; a run that diverges leaves none."""
    from ...learner.training.run import DivergedError
    from ...learner.training.state import forget_state

    if done := finished_run(space, number, "learn") or space.record(Diverged, number):
        return done
    settings, pinned = space.config.learn, space.require(Appended, number)
    start, policy = start_policy(space, number), f"r{number:03d}-pac"
    samples = settings.samples_per_row * fresh_rows(space, pinned, start)
    steps = min(max(round(samples / settings.batch_size), settings.minimum_steps), settings.maximum_steps)
    watch = stopwatch()
    try:
        return run_learner(space, number, "learn", policy, pac_run(space, steps), start, progress)
    except DivergedError as error:
        reason = f"{error}; [learn] rate is {settings.rate:g}, and a lower one may help"
        outcome = Diverged(policy=policy, parent=start, reason=reason, seconds=watch())
        space.write_record(number, outcome)
        forget_state(_run_folder(space, number, "learn"))
        return outcome


def run_learner(
    space: Workspace,
    number: int,
    stage: str,
    policy: str,
    config: LearnConfig,
    start: str | None,
    progress: Progress,
) -> Learned:
    """One learner run on the round's snapshot, from the weights of `start` or fresh ones, to a policy.

    The policy's appearance ends the run; the record follows from it. Raises DivergedError.
    """
    if done := finished_run(space, number, stage):
        return done
    watch, pinned, folder = stopwatch(), space.require(Appended, number), space.policy_json(policy).parent
    if not space.policy_json(policy).is_file():
        write_policy(space, *_train(space, number, stage, policy, config, start, progress))
        space.share_runs()
    record = read_record(folder)
    names = ("parent", "snapshot", "rows", "returns")
    facts: dict[str, Any] = {name: record.lineage.get(name) for name in names}
    if facts["snapshot"] != pinned.snapshot_id:
        raise LoopError(f"{folder} learned from other data than round {number} has now: remove that folder")
    outcome = Learned(
        policy=policy,
        steps=record.lineage["learn"]["steps"],
        figures=dict(record.figures),
        critic_range=(record.network.return_minimum, record.network.return_maximum),
        seconds=watch(),
        **facts,
    )
    space.write_record(number, outcome, stage)
    finished_run(space, number, stage)
    return outcome


def _train(
    space: Workspace,
    number: int,
    stage: str,
    policy: str,
    config: LearnConfig,
    start: str | None,
    progress: Progress,
) -> "tuple[PolicyRecord, Mapping[str, Tensor]]":
    from ...learner.training.run import learn as train

    pinned, schema = space.require(Appended, number), space.task.schema
    parent = None if start is None else space.policy_folder(start)
    network = read_record(parent).network if parent else SIZES[space.config.learn.size]
    replay, mixed = open_replay(space, pinned.snapshot, config, history=network.history)
    if replay.remark:
        progress(stage, 0, config.steps, replay.remark)
    covering = cover_returns(network, *replay.returns)
    if covering != network:
        ranges = (*replay.returns, covering.return_minimum, covering.return_maximum)
        note = "returns from {:.3g} to {:.3g}: the critic's range is {:.3g} to {:.3g}".format(*ranges)
        progress(stage, 0, config.steps, note)
    seed = space.config.seed * 1000 + number
    weights, figures = train(
        replay,
        schema=schema,
        network=covering,
        config=config,
        seed=seed,
        folder=_run_folder(space, number, stage),
        start=read_weights(parent) if parent else None,
        progress=lambda step, figures: progress(stage, step, config.steps, in_short(figures)),
    )
    counts = {"rows": replay.rows, "episodes": replay.episodes, "returns": replay.returns}
    facts = {"parent": start, "snapshot": pinned.snapshot_id, **counts, **mixed}
    lineage = _lineage(number, seed, config, facts)
    return PolicyRecord(policy, schema, covering, _acting(space, config), lineage, figures), weights


def finished_run(space: Workspace, number: int, stage: str) -> Learned | None:
    """What a learner run of a round ended with; None where it has not ended."""
    from ...learner.training.state import forget_state

    done = space.record(Learned, number, stage)
    if done:
        forget_state(_run_folder(space, number, stage))  # also where another machine has finished it
    return done


def pac_run(space: Workspace, steps: int) -> LearnConfig:
    """A learner run of `steps` steps with the workspace's settings."""
    settings = space.config.learn
    same = {"batch_size", "alpha", "eta", "beta", "n_step", "discount", "threads"}
    return LearnConfig(steps=steps, learning_rate=settings.rate, **settings.model_dump(include=same))


def cloning_run(space: Workspace) -> LearnConfig:
    """The run of round 0 that clones the demonstrations, with a critic beside it."""
    settings = space.config.learn
    return replace(pac_run(space, settings.clone_steps), alpha=1.0, learning_rate=settings.clone_rate)


def start_policy(space: Workspace, number: int) -> str:
    """The policy whose weights a round's learner goes on from, as `[learn] start` says.

    Never weights that were rolled back, nor what learned from them: candidates of the rounds before a
    rollback do not count, and where it came during this round, the champion in force does.
    """
    reigns = space.registry.history()
    returned = max((reign.after for reign in reigns if reign.action == "rollback"), default=0)
    champion = reigns[-1].policy if returned >= number else space.require(Begun, number).champion
    if space.config.learn.start == "pretrained":
        return space.require(Learned, 0).policy
    if space.config.learn.start == "latest":
        return last_candidate(space, number, after=returned) or champion
    return champion


def fresh_rows(space: Workspace, pinned: Appended, start: str) -> int:
    """Rows of a round's snapshot from which its starting policy has not learned."""
    learned_in = read_record(space.policy_folder(start)).lineage["round"]
    shared = pinned.snapshot.shared(space.require(Appended, learned_in).snapshot)
    return pinned.rows - sum(batch.steps for batch in space.store.counted(shared))


def _run_folder(space: Workspace, number: int, stage: str) -> Path:
    """Where a learner run keeps its own state and figures."""
    return space.round_folder(number) / f"{stage}-run"


def _lineage(number: int, seed: int, config: LearnConfig, facts: dict[str, Any]) -> dict[str, Any]:
    learner = {"seed": seed, "learn": asdict(config), "host": socket.gethostname(), "code": code()}
    return {"round": number, **facts, **learner}


def _acting(space: Workspace, config: LearnConfig) -> Acting:
    act = space.config.act
    if config.alpha == 1:
        return Acting("sample", 1, act.floor)
    return Acting(act.mode, act.actions, act.floor)
