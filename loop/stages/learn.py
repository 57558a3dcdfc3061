"""The learner as a stage uses it: whose weights a run goes on from, what it reads, what it leaves."""

import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ...datasets import Snapshot
from ...datasets.files import parse_model
from ...learner.checkpoint import PolicyRecord, read_record, read_weights
from ...learner.config import SIZES, LearnConfig, to_json
from ...learner.policy import Acting
from ..progress import Progress, Stopwatch
from ..views.training import in_short, read_training
from ..workspace.machine import code
from ..workspace.workspace import Outcome, Workspace
from .mixing import mixtures

if TYPE_CHECKING:
    from torch import Tensor


def run_learner(
    space: Workspace,
    number: int,
    stage: str,
    policy: str,
    config: LearnConfig,
    start: str | None,
    progress: Progress,
    checkpoints: int = 1,
) -> Outcome:
    """One learner run on the round's snapshot, from the weights of `start` or fresh ones, to a policy.

    Of several `checkpoints` all but the last become policies of their own, which the outcome names.
    """
    from ...datasets import Replay
    from ...learner.training.run import forget_state
    from ...learner.training.run import learn as train

    folder = space.round_folder(number) / f"{stage}-run"
    if done := space.outcome(number, stage):
        forget_state(folder)  # another machine may have finished what this one began
        return done
    watch, pinned, task = Stopwatch(), space.require(number, "append"), space.task
    size = (
        SIZES[space.config.learn.size] if start is None else read_record(space.policy_folder(start)).network
    )
    snapshot = parse_model(Snapshot, pinned["snapshot"], "append.json")
    mixed = mixtures(space, snapshot)
    replay = Replay(
        space.store,
        snapshot,
        n_step=config.n_step,
        discount=config.discount,
        time_limit_is_terminal=task.time_limit_is_terminal,
        history=size.history,
        mixture=mixed.get("mixture"),
        task_mixture=mixed.get("task_mixture"),
    )
    seed = space.config.seed * 1000 + number
    learned = train(
        replay,
        schema=task.schema,
        network=size,
        config=config,
        seed=seed,
        folder=folder,
        start=None if start is None else read_weights(space.policy_folder(start)),
        keep=kept_steps(config.steps, checkpoints),
        progress=lambda step, figures: progress(stage, step, config.steps, in_short(figures)),
    )
    lineage = {
        "round": number,
        "parent": start,
        "snapshot": pinned["snapshot_id"],
        "rows": replay.rows,
        "episodes": replay.episodes,
        **mixed,
        "seed": seed,
        "learn": to_json(config),
        "host": socket.gethostname(),
        "code": code(),
    }
    act = space.config.act
    acting = Acting("sample", 1, act.floor) if config.alpha == 1 else Acting(act.mode, act.actions, act.floor)
    record = PolicyRecord(policy, task.schema, size, acting, lineage, learned.figures)
    kept = {"checkpoints": _write_kept(space, record, learned.kept, stage)} if learned.kept else {}
    space.write_policy(record, learned.weights)
    space.share_runs()
    outcome = space.write_outcome(
        number,
        stage,
        {
            "policy": policy,
            "parent": start,
            "steps": config.steps,
            "snapshot": pinned["snapshot_id"],
            "rows": replay.rows,
            "figures": learned.figures,
            **kept,
            "seconds": watch.sec,
        },
    )
    forget_state(folder)  # it serves no more once its policies are written
    return outcome


def kept_steps(steps: int, checkpoints: int) -> list[int]:
    """The steps before the last of a run after which its weights are kept, as `[learn] checkpoints` says."""
    parts = 2 * (checkpoints - 1)
    found = {steps * part // parts for part in range(checkpoints - 1, parts)}
    return sorted(step for step in found if 0 < step < steps)


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


def start_policy(space: Workspace, number: int) -> str:
    """The policy whose weights a round's learner goes on from, as `[learn] start` says."""
    if space.config.learn.start == "pretrained":
        return space.require(0, "learn")["policy"]
    if space.config.learn.start == "champion":
        return space.require(number, "begin")["champion"]
    for earlier in range(number - 1, 0, -1):
        verdict = space.outcome(earlier, "gate")
        if verdict and verdict["decision"] != "rejected":
            return verdict["candidate"]
    return space.require(number, "begin")["champion"]


def fresh_rows(space: Workspace, pinned: Outcome, start: str) -> int:
    """Rows of a round's snapshot from which its starting policy has not learned."""
    learned_in = read_record(space.policy_folder(start)).lineage["round"]
    before = parse_model(Snapshot, space.require(learned_in, "append")["snapshot"], "append.json")
    shared = parse_model(Snapshot, pinned["snapshot"], "append.json").shared(before)
    return pinned["rows"] - sum(batch.steps for batch in space.store.counted(shared))


def _write_kept(
    space: Workspace, last: PolicyRecord, kept: "Mapping[int, Mapping[str, Tensor]]", stage: str
) -> list[Outcome]:
    """Write the weights of earlier steps as policies; returns who they are, oldest first."""
    number, found = last.lineage["round"], []
    run = read_training(space, number, stage)
    for step, weights in kept.items():
        told = [line for line in run.lines if line["step"] <= step] if run else []
        figures = {name: value for name, value in told[-1].items() if name != "step"} if told else {}
        name, lineage = f"{last.id}-s{step}", {**last.lineage, "step": step}
        record = replace(last, id=name, lineage=lineage, figures=figures)
        space.write_policy(record, weights)
        found.append({"policy": name, "step": step})
    return found
