"""Learn: a learner run on the snapshot of the round; whose weights it goes on from, and what it leaves."""

import socket
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from ...datasets import Snapshot
from ...learner.checkpoint import PolicyRecord, read_record, read_weights
from ...learner.config import SIZES, LearnConfig, PacConfig, in_short
from ...learner.policy import Acting
from ..progress import Progress, Stopwatch
from ..workspace.machine import code
from ..workspace.records import Appended, Begun, Learned
from ..workspace.verdict import Verdict
from ..workspace.workspace import Workspace
from .mixing import Mixtures, mixtures

if TYPE_CHECKING:
    from ...datasets import Replay


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
    watch, pinned = Stopwatch(), space.require(Appended, number)
    folder, seed = run_folder(space, number, stage), space.config.seed * 1000 + number
    network = _network(space, start)
    mixed = mixtures(space, pinned.snapshot)
    replay = _replay(space, pinned.snapshot, config, network, mixed)
    learned = train(
        replay,
        schema=space.task.schema,
        network=network,
        config=config,
        seed=seed,
        folder=folder,
        start=None if start is None else read_weights(space.policy_folder(start)),
        progress=lambda step, figures: progress(stage, step, config.steps, in_short(figures)),
    )
    facts = {"parent": start, "snapshot": pinned.snapshot_id, "rows": replay.rows}
    lineage = _lineage(number, seed, config, {**facts, "episodes": replay.episodes, **mixed})
    acting = _acting(space, config)
    record = PolicyRecord(policy, space.task.schema, network, acting, lineage, learned.figures)
    space.write_policy(record, learned.weights)
    space.share_runs()
    outcome = Learned(policy=policy, steps=config.steps, figures=learned.figures, seconds=watch.sec, **facts)
    space.write_record(number, outcome, stage)
    forget_state(folder)  # it serves no more once its policy is written
    return outcome


def finished_run(space: Workspace, number: int, stage: str) -> Learned | None:
    """What a learner run of a round ended with; None where it has not ended."""
    from ...learner.training.state import forget_state

    done = space.record(Learned, number, stage)
    if done:
        forget_state(run_folder(space, number, stage))  # another machine may have finished it
    return done


def run_folder(space: Workspace, number: int, stage: str) -> Any:
    """Where a learner run keeps its own state and figures."""
    return space.round_folder(number) / f"{stage}-run"


def pac_run(space: Workspace, steps: int) -> LearnConfig:
    """A learner run of `steps` steps with the workspace's settings."""
    settings = space.config.learn
    return LearnConfig(
        steps=steps,
        batch_size=settings.batch_size,
        learning_rate=settings.rate,
        alpha=settings.alpha,
        eta=settings.eta,
        beta=settings.beta,
        n_step=settings.n_step,
        discount=settings.discount,
        threads=settings.threads,
    )


def cloning_run(space: Workspace) -> LearnConfig:
    """The run of round 0 that clones the demonstrations, with a critic beside it."""
    settings = space.config.learn
    run = pac_run(space, settings.clone_steps)
    return replace(run, alpha=1.0, learning_rate=settings.clone_rate)


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


def _network(space: Workspace, start: str | None) -> PacConfig:
    if start is None:
        return SIZES[space.config.learn.size]
    return read_record(space.policy_folder(start)).network


def _replay(
    space: Workspace, snapshot: Snapshot, config: LearnConfig, network: PacConfig, mixed: Mixtures
) -> "Replay":
    from ...datasets import Replay

    return Replay(
        space.store,
        snapshot,
        n_step=config.n_step,
        discount=config.discount,
        time_limit_is_terminal=space.task.time_limit_is_terminal,
        history=network.history,
        mixture=mixed.get("mixture"),
        task_mixture=mixed.get("task_mixture"),
    )


def _lineage(number: int, seed: int, config: LearnConfig, facts: dict[str, Any]) -> dict[str, Any]:
    learner = {"seed": seed, "learn": asdict(config), "host": socket.gethostname(), "code": code()}
    return {"round": number, **facts, **learner}


def _acting(space: Workspace, config: LearnConfig) -> Acting:
    act = space.config.act
    if config.alpha == 1:
        return Acting("sample", 1, act.floor)
    return Acting(act.mode, act.actions, act.floor)
