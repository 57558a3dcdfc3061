"""The stages: each a function of what is on disk to what is on disk.

A stage that has ended returns its record and does nothing. One that was killed goes on from what is
committed: collect and gate from their last block, learn from its last saved step.
"""

from ...datasets.files import as_json
from ...datasets.records.batch import episodes_by_source
from ..episodes.play import Play, Pool, tally
from ..episodes.seeds import Purpose
from ..errors import LoopError
from ..gate.critic import learnable
from ..progress import Progress, Stopwatch
from ..workspace.workspace import Outcome, Workspace
from .gate import judge, promote_winner
from .learn import fresh_rows, pac_run, run_learner, start_policy
from .mirror import mirror


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
        tally(space, pool, wanted, progress) | {"champion": champion, "seconds": watch.sec},
    )


def append(space: Workspace, number: int, _pool: Pool, progress: Progress) -> Outcome:
    """Close the round's data: check that what was collected is there, and pin what is learned from."""
    if done := space.outcome(number, "append"):
        return done
    watch, store = Stopwatch(), space.store
    store.clean()
    snapshot = store.snapshot(batches=learnable(store.batches(), space.config.screen.held_out))
    if not snapshot.batches:
        raise LoopError(f"{space.place} has no demonstrations to learn from; see: pacloop demonstrate --help")
    # What was collected must be there, also what somebody has excluded since.
    collected = [b for b in store.batches() if b.round == number and b.source == "collection"]
    played = sum(b.episodes for b in collected)
    reported = (space.outcome(number, "collect") or {"episodes": played})["episodes"]
    if played != reported:
        raise LoopError(f"round {number} collected {reported} episodes, but the dataset holds {played}")
    batches = store.counted(snapshot)
    progress("append", len(batches), len(batches), f"snapshot {snapshot.id}")
    ended = space.write_outcome(
        number,
        "append",
        {
            "snapshot": as_json("snapshot", snapshot),
            "snapshot_id": snapshot.id,
            "episodes": sum(b.episodes for b in batches),
            "rows": sum(b.steps for b in batches),
            "sources": episodes_by_source(batches),
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
    settings, pinned = space.config.learn, space.require(number, "append")
    start = start_policy(space, number)
    fresh = fresh_rows(space, pinned, start)
    wanted = round(settings.samples_per_row * fresh / settings.batch_size)
    steps = min(max(wanted, settings.minimum_steps), settings.maximum_steps)
    config = pac_run(space, steps)
    name, checkpoints = f"r{number:03d}-pac", settings.checkpoints
    return run_learner(space, number, "learn", name, config, start, progress, checkpoints)


def gate(space: Workspace, number: int, pool: Pool, progress: Progress) -> Outcome:
    """Play the candidate against the champion's sample until the test decides; promote it where it won.

    Where a person is to approve a promotion, the verdict waits as `judged` and ends no round; see
    `approval.py`.
    """
    verdict = space.outcome(number, "gate") or space.outcome(number, "judged")
    verdict = verdict or judge(space, number, pool, progress)
    if space.outcome(number, "gate"):
        promote_winner(space, number, verdict)
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
    purpose: Purpose = "final",
    first: int = 0,
) -> Outcome:
    """Measure a policy on a purpose's seeds from position `first` on, and record it under `stage`."""
    if done := space.outcome(number, stage):
        return done
    watch, config = Stopwatch(), space.config.collect
    wanted = Play(
        name=stage,
        policy=policy,
        purpose=purpose,
        source="evaluation",
        round=number,
        episodes=episodes,
        block=config.actors * config.environments,
        first=first,
    )
    played = tally(space, pool, wanted, progress)
    ended = space.write_outcome(number, stage, played | {"policy": policy, "seconds": watch.sec})
    mirror(space, progress)
    return ended


def _pin_champion(space: Workspace, number: int) -> str:
    """The champion at the round's beginning, whoever is promoted by hand while it goes on."""
    if begun := space.outcome(number, "begin"):
        return begun["champion"]
    champion = space.registry.champion()
    if champion is None:
        raise LoopError(f"{space.place} has no champion yet; run: pacloop improve")
    return space.write_outcome(number, "begin", {"champion": champion})["champion"]
