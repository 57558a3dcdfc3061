"""Learn: a learner run on the snapshot of the round; whose weights it goes on from, and what it leaves."""

import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...datasets import DatasetError, Snapshot
from ...datasets.replay.mixture import shares_of
from ...learner.checkpoint import PolicyRecord, read_record, read_weights
from ...learner.config import SIZES, LearnConfig, PacConfig, in_short
from ...learner.policy import Acting
from ..errors import LoopError
from ..progress import Progress, stopwatch
from ..workspace.machine import code
from ..workspace.records import Appended, Begun, Learned
from ..workspace.verdict import Verdict
from ..workspace.workspace import Workspace

if TYPE_CHECKING:
    from ...datasets import Replay

Mixtures = dict[str, dict[str, float]]


def learn(space: Workspace, number: int, progress: Progress) -> Learned:
    """Learn a candidate from all data of the round's snapshot."""
    if done := finished_run(space, number, "learn"):
        return done
    settings, pinned = space.config.learn, space.require(Appended, number)
    start = start_policy(space, number)
    samples = settings.samples_per_row * fresh_rows(space, pinned, start)
    steps = min(max(round(samples / settings.batch_size), settings.minimum_steps), settings.maximum_steps)
    return run_learner(space, number, "learn", f"r{number:03d}-pac", pac_run(space, steps), start, progress)


def run_learner(
    space: Workspace,
    number: int,
    stage: str,
    policy: str,
    config: LearnConfig,
    start: str | None,
    progress: Progress,
) -> Learned:
    """One learner run on the round's snapshot, from the weights of `start` or fresh ones, to a policy."""
    from ...learner.training.run import learn as train
    from ...learner.training.state import forget_state

    if done := finished_run(space, number, stage):
        return done
    watch, pinned, task = stopwatch(), space.require(Appended, number), space.task
    parent = None if start is None else space.policy_folder(start)
    network = read_record(parent).network if parent else SIZES[space.config.learn.size]
    replay, mixed = _replay(space, pinned.snapshot, config, network)
    folder, seed = _run_folder(space, number, stage), space.config.seed * 1000 + number
    weights, figures = train(
        replay,
        schema=task.schema,
        network=network,
        config=config,
        seed=seed,
        folder=folder,
        start=read_weights(parent) if parent else None,
        progress=lambda step, figures: progress(stage, step, config.steps, in_short(figures)),
    )
    facts = {"parent": start, "snapshot": pinned.snapshot_id, "rows": replay.rows}
    lineage = _lineage(number, seed, config, {**facts, "episodes": replay.episodes, **mixed})
    record = PolicyRecord(policy, task.schema, network, _acting(space, config), lineage, figures)
    space.write_policy(record, weights)
    space.share_runs()
    outcome = Learned(policy=policy, steps=config.steps, figures=figures, seconds=watch(), **facts)
    space.write_record(number, outcome, stage)
    forget_state(folder)  # it serves no more once its policy is written
    return outcome


def finished_run(space: Workspace, number: int, stage: str) -> Learned | None:
    """What a learner run of a round ended with; None where it has not ended."""
    from ...learner.training.state import forget_state

    done = space.record(Learned, number, stage)
    if done:
        forget_state(_run_folder(space, number, stage))  # another machine may have finished it
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
    """The policy whose weights a round's learner goes on from, as `[learn] start` says."""
    if space.config.learn.start == "pretrained":
        return space.require(Learned, 0).policy
    if space.config.learn.start == "champion":
        return space.require(Begun, number).champion
    for earlier in range(number - 1, 0, -1):
        verdict = space.record(Verdict, earlier)
        if verdict and verdict.decision != "rejected":
            return verdict.candidate
    return space.require(Begun, number).champion


def fresh_rows(space: Workspace, pinned: Appended, start: str) -> int:
    """Rows of a round's snapshot from which its starting policy has not learned."""
    learned_in = read_record(space.policy_folder(start)).lineage["round"]
    shared = pinned.snapshot.shared(space.require(Appended, learned_in).snapshot)
    return pinned.rows - sum(batch.steps for batch in space.store.counted(shared))


def _replay(
    space: Workspace, snapshot: Snapshot, config: LearnConfig, network: PacConfig
) -> tuple["Replay", Mixtures]:
    from ...datasets import Replay

    mixed = mixtures(space, snapshot)
    replay = Replay(
        space.store,
        snapshot,
        n_step=config.n_step,
        discount=config.discount,
        time_limit_is_terminal=space.task.time_limit_is_terminal,
        history=network.history,
        mixture=mixed.get("mixture"),
        task_mixture=mixed.get("task_mixture"),
    )
    return replay, mixed


def mixtures(space: Workspace, snapshot: Snapshot) -> Mixtures:
    """What `[learn] mixture` and `task_mixture` come to for a snapshot, where they are set.

    The share of every source and of every task in it. Raises LoopError, naming the setting, where it leaves
    nothing to draw or names no task of the snapshot.
    """
    settings, shares = space.config.learn, {}
    if settings.mixture:
        steps: Counter[str] = Counter()
        for batch in space.store.counted(snapshot):
            steps[batch.source] += batch.steps
        shares["mixture"] = _shares("mixture", settings.mixture, steps)
    if settings.task_mixture:
        steps = Counter()
        for row in space.store.counted_rows(snapshot):
            steps[space.store.task_of(row)] += row.length
        if strangers := sorted(set(settings.task_mixture) - set(steps)):
            raise LoopError(
                f"[learn] task_mixture names {strangers[0]!r}, which is no task of the snapshot; "
                f"its tasks are {', '.join(map(repr, sorted(steps)))}"
            )
        shares["task_mixture"] = _shares("task_mixture", settings.task_mixture, steps)
    return shares


def _shares(setting: str, shares: Mapping[Any, float], steps: Mapping[str, int]) -> dict[str, float]:
    try:
        return shares_of(shares, steps)
    except DatasetError as error:
        raise LoopError(f"[learn] {setting} leaves nothing to learn from: {error}") from None


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
