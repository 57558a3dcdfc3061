"""The stages: each a function of what is on disk to what is on disk.

A stage that has ended returns its record and does nothing. One that was killed goes on from what is
committed: collect and gate from their last block, learn from its last saved step.
"""

import socket
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets import Snapshot
from ..datasets.files import read_json, write_json_atomically
from ..learner.checkpoint import PolicyRecord, read_record, read_weights, write_policy
from ..learner.config import SIZES, LearnConfig, to_json
from ..learner.policy import Acting
from .alarm import champion_record
from .arms import arms, collected_scores
from .errors import LoopError
from .gate import decide, make_test, round_level
from .mirror import mirror
from .play import Play, Pool, play
from .progress import Noted, Progress, Stopwatch
from .samples import champion_sample, collections
from .statistics import wilson
from .workspace import Workspace

Outcome = dict[str, Any]


def collect(space: Workspace, number: int, pool: Pool, progress: Progress) -> Outcome:
    """Play the champion on seeds nobody selected: data for the learner, and the gate's sample of it."""
    if done := space.outcome(number, "collect"):
        return done
    watch, config = Stopwatch(), space.config.collect
    champion = _pin_champion(space, number)
    wanted = Play(
        name="collect",
        policy=champion,
        purpose="collection",
        source="collection",
        round=number,
        episodes=config.episodes,
        block=config.actors * config.environments,
    )
    return space.write_outcome(
        number,
        "collect",
        _tally(space, pool, wanted, progress) | {"champion": champion, "seconds": watch.sec},
    )


def append(space: Workspace, number: int, _pool: Pool, progress: Progress) -> Outcome:
    """Close the round's data: check that what was collected is there, and pin what is learned from."""
    if done := space.outcome(number, "append"):
        return done
    watch, store = Stopwatch(), space.store
    store.clean()
    snapshot = store.snapshot()
    if not snapshot.batches:
        raise LoopError(
            f"{space.folder} has no demonstrations to learn from; see: pacloop demonstrate --help"
        )
    # What was collected must be there, also what somebody has excluded since.
    collected = [b for b in store.batches() if b.round == number and b.source == "collection"]
    played = sum(b.episodes for b in collected)
    reported = (space.outcome(number, "collect") or {"episodes": played})["episodes"]
    if played != reported:
        raise LoopError(f"round {number} collected {reported} episodes, but the dataset holds {played}")
    batches = store.counted(snapshot)
    sources: dict[str, int] = {}
    for batch in batches:
        sources[batch.source] = sources.get(batch.source, 0) + batch.episodes
    progress("append", len(batches), len(batches), f"snapshot {snapshot.id}")
    ended = space.write_outcome(
        number,
        "append",
        {
            "snapshot": snapshot.to_json(),
            "snapshot_id": snapshot.id,
            "episodes": sum(b.episodes for b in batches),
            "rows": sum(b.steps for b in batches),
            "sources": sources,
            "excluded": len(store.excluded()),
            "seconds": watch.sec,
        },
    )
    mirror(space, progress)
    return ended


def learn(space: Workspace, number: int, _pool: Pool, progress: Progress) -> Outcome:
    """Learn a candidate from all data of the round's snapshot."""
    if done := space.outcome(number, "learn"):
        return done
    settings, pinned = space.config.learn, _require(space, number, "append")
    start = _start_policy(space, number)
    fresh = _fresh_rows(space, pinned, start)
    wanted = round(settings.samples_per_row * fresh / settings.batch_size)
    steps = min(max(wanted, settings.minimum_steps), settings.maximum_steps)
    config = pac_run(space, steps)
    return run_learner(space, number, "learn", f"r{number:03d}-pac", config, start, progress)


def gate(space: Workspace, number: int, pool: Pool, progress: Progress) -> Outcome:
    """Play the candidate against the champion's sample until the test decides; promote it where it won."""
    verdict = space.outcome(number, "gate") or _judge(space, number, pool, progress)
    if verdict["decision"] == "promoted":
        reason = verdict["reason"]
        space.registry.install(verdict["candidate"], reason=reason, by="gate", round=number, action="promote")
    mirror(space, progress)
    return verdict


def evaluate(
    space: Workspace,
    number: int,
    pool: Pool,
    progress: Progress,
    *,
    stage: str,
    policy: str,
    episodes: int,
    baseline: bool = False,
) -> Outcome:
    """Measure a policy on fresh seeds that no other stage uses, and record it under `stage`."""
    if done := space.outcome(number, stage):
        return done
    watch, config = Stopwatch(), space.config.collect
    wanted = Play(
        name=stage,
        policy=policy,
        purpose="baseline" if baseline else "final",
        source="evaluation",
        round=number,
        episodes=episodes,
        block=config.actors * config.environments,
    )
    tally = _tally(space, pool, wanted, progress)
    ended = space.write_outcome(number, stage, tally | {"policy": policy, "seconds": watch.sec})
    mirror(space, progress)
    return ended


def measure(
    space: Workspace, pool: Pool, progress: Progress, *, policy: str | None, episodes: int
) -> Outcome:
    """Measure a policy by hand, each time on new seeds; an interrupted measurement is finished first."""
    who = policy or space.registry.champion()
    if who is None:
        raise LoopError(f"{space.folder} has no champion yet; run: pacloop improve")
    number = next(k for k in count() if not (path := _evaluation(space, k)).exists())
    intent = path.with_suffix(".begun.json")
    wanted = {"policy": who, "episodes": episodes}
    if intent.exists() and (begun := read_json(intent)) != wanted:
        raise LoopError(
            f"an evaluation of {begun['policy']} on {begun['episodes']} episodes was interrupted; finish it: "
            f"pacloop evaluate {begun['policy']} --episodes {begun['episodes']}"
        )
    path.parent.mkdir(exist_ok=True)
    write_json_atomically(intent, wanted)
    watch, config = Stopwatch(), space.config.collect
    block = config.actors * config.environments
    play_ = Play(f"manual{number:04d}", who, "manual", "evaluation", number, episodes, block)
    outcome = _tally(space, pool, play_, progress) | {"policy": who, "seconds": watch.sec}
    write_json_atomically(path, outcome)
    return outcome


def _evaluation(space: Workspace, number: int) -> Path:
    return space.folder / "evaluations" / f"{number:04d}.json"


def run_learner(
    space: Workspace,
    number: int,
    stage: str,
    policy: str,
    config: LearnConfig,
    start: str | None,
    progress: Progress,
) -> Outcome:
    """One learner run on the round's snapshot, from the weights of `start` or fresh ones, to a policy."""
    from ..datasets import Replay
    from ..learner.train import learn as train

    if done := space.outcome(number, stage):
        return done
    watch, pinned, task = Stopwatch(), _require(space, number, "append"), space.task
    folder = space.round_folder(number) / f"{stage}-run"
    size = (
        SIZES[space.config.learn.size] if start is None else read_record(space.policy_folder(start)).network
    )
    replay = Replay(
        space.store,
        Snapshot.from_json(pinned["snapshot"]),
        n_step=config.n_step,
        discount=config.discount,
        time_limit_is_terminal=task.time_limit_is_terminal,
        history=size.history,
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
        progress=lambda step, figures: progress(stage, step, config.steps, _figures(figures)),
    )
    lineage = {
        "round": number,
        "parent": start,
        "snapshot": pinned["snapshot_id"],
        "rows": replay.rows,
        "episodes": replay.episodes,
        "seed": seed,
        "learn": to_json(config),
        "host": socket.gethostname(),
    }
    act = space.config.act
    acting = Acting("sample", 1, act.floor) if config.alpha == 1 else Acting(act.mode, act.actions, act.floor)
    record = PolicyRecord(policy, task.schema, size, acting, lineage, learned.figures)
    write_policy(space.policy_folder(policy), record, learned.weights)
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
            "seconds": watch.sec,
        },
    )
    _forget_state(folder)
    return outcome


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


def _judge(space: Workspace, number: int, pool: Pool, progress: Progress) -> Outcome:
    watch, config = Stopwatch(), space.config.gate
    sample, candidate = _require(space, number, "collect"), _require(space, number, "race")["policy"]
    earlier = [verdict for k in space.rounds() if k < number and (verdict := space.outcome(k, "gate"))]
    champion = sample["champion"]
    binary = all(own["binary"] for own in collections(space, number) if own["champion"] == champion)
    successes, episodes = champion_sample(space, number, champion)
    given = (np.arange(episodes) < successes).astype(float)
    if not binary:
        given = collected_scores(space, number, champion)
    test = make_test(config, len(given), round_level(config.level, earlier), binary=binary)
    verdict, n = None, 0
    told = Noted(progress)
    played = arms(space, number, pool, told, champion=champion, candidate=candidate, given=given)
    for old, new in played:
        tallies, n = (test.tally(old), test.tally(new)), len(new)
        told.also = f", evidence {test.evidence(*tallies, n):.2f} of {test.boundary(n):.2f}"
        verdict = decide(test, names=(champion, candidate), champion=tallies[0], candidate=tallies[1], n=n)
        if verdict:
            break
    if verdict is None:
        raise LoopError(f"round {number}'s gate ended without a verdict after {n} episodes")
    record = champion_record(space)
    outcome = verdict.to_json() | {"seconds": watch.sec, "alarm": record.alarm if record else None}
    if space.registry.champion() != sample["champion"]:
        outcome["decision"] = "undecided"
        outcome["reason"] = f"the champion was changed by hand during the round; {outcome['reason']}"
    return space.write_outcome(number, "gate", outcome)


def _pin_champion(space: Workspace, number: int) -> str:
    """The champion at the round's beginning, whoever is promoted by hand while it goes on."""
    if begun := space.outcome(number, "begin"):
        return begun["champion"]
    champion = space.registry.champion()
    if champion is None:
        raise LoopError(f"{space.folder} has no champion yet; run: pacloop improve")
    return space.write_outcome(number, "begin", {"champion": champion})["champion"]


def _start_policy(space: Workspace, number: int) -> str:
    if space.config.learn.start == "pretrained":
        return _require(space, 0, "learn")["policy"]
    if space.config.learn.start == "champion":
        return _require(space, number, "begin")["champion"]
    for earlier in range(number - 1, 0, -1):
        verdict = space.outcome(earlier, "gate")
        if verdict and verdict["decision"] != "rejected":
            return verdict["candidate"]
    return _require(space, number, "begin")["champion"]


def _fresh_rows(space: Workspace, pinned: Outcome, start: str) -> int:
    """Rows of a round's snapshot from which its starting policy has not learned."""
    learned_in = read_record(space.policy_folder(start)).lineage["round"]
    before = Snapshot.from_json(_require(space, learned_in, "append")["snapshot"])
    shared = Snapshot.from_json(pinned["snapshot"]).shared(before)
    return pinned["rows"] - sum(batch.steps for batch in space.store.counted(shared))


def _tally(space: Workspace, pool: Pool, wanted: Play, progress: Progress) -> Outcome:
    batches = list(play(space, pool, wanted, progress))
    successes, n = sum(b.successes for b in batches), sum(b.episodes for b in batches)
    score_sum = sum(b.score_sum for b in batches)
    return {
        "episodes": n,
        "successes": successes,
        "rate": score_sum / n,
        "interval": wilson(score_sum, n),
        "binary": abs(score_sum - successes) < 1e-9,
        "steps": sum(b.steps for b in batches),
    }


def _require(space: Workspace, number: int, stage: str) -> Outcome:
    outcome = space.outcome(number, stage)
    if outcome is None:
        raise LoopError(f"round {number} has no {stage} yet; run: pacloop {stage}")
    return outcome


def _forget_state(folder: Path) -> None:
    """The run's saved state serves no more once its policy is written; its metrics stay."""
    (folder / "state.safetensors").unlink(missing_ok=True)


def _figures(figures: Any) -> str:
    shown = [f"{name} {figures[name]:.3g}" for name in ("loss", "q", "steps_per_sec") if name in figures]
    return ", ".join(shown)
