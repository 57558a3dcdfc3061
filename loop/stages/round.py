"""A round: collect, append, learn, gate. Killed anywhere, the same call goes on from what is on disk."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from ..episodes.play import Pool
from ..episodes.sample import champion_sample
from ..gate.critic import check_critic
from ..progress import Progress
from ..statistics.wilson import wilson
from ..workspace.records import Learned, Measured, Raced, Reached, Record
from ..workspace.verdict import Verdict
from ..workspace.workspace import Workspace
from .append import append
from .approval import Door, approved, no_door
from .collect import collect
from .evaluate import evaluate
from .gate import gate
from .learn import cloning_run, learn, pac_run, run_learner
from .race import race

R = TypeVar("R", bound=Record)


class Run(Protocol):
    """Runs one stage, given its name; the flows make a Prefect task of it."""

    def __call__(self, name: str, stage: Callable[[], R]) -> R:
        """What the stage ended with."""
        ...


def run_directly(name: str, stage: Callable[[], R]) -> R:
    """Run a stage as it is."""
    del name
    return stage()


def run_round(
    space: Workspace,
    number: int,
    pool: Pool,
    progress: Progress,
    run: Run = run_directly,
    door: Door = no_door,
) -> Verdict | Reached:
    """One pass of the four stages; returns the verdict. A promotion that needs a person is shown at `door`.

    Where the champion's fresh sample shows that the target is reached, there is nothing left to learn
    and the round ends with it.
    """
    sample = run("collect", lambda: collect(space, number, pool, progress))
    run("append", lambda: append(space, number, progress))
    reason = reached(space, number, sample.champion)
    if reason and not space.has_record(number, Learned.STAGE):
        return space.write_record(number, Reached(reason=reason))
    run("learn", lambda: learn_candidate(space, number, pool, progress))
    verdict = run("gate", lambda: gate(space, number, pool, progress))
    if space.has_record(number, Verdict.STAGE):
        return verdict
    return approved(space, number, progress, door)


def learn_candidate(space: Workspace, number: int, pool: Pool, progress: Progress) -> Raced:
    """Learn a candidate, check its critic, and find out how it acts best."""
    learn(space, number, progress)
    check_critic(space, number, progress)
    return race(space, number, pool, progress)


def run_start(space: Workspace, pool: Pool, progress: Progress, run: Run = run_directly) -> Raced:
    """Round 0: from the demonstrations to the BC baseline, then to the first champion, learned by PAC."""
    settings, episodes = space.config.learn, space.config.improve.baseline_episodes
    run("append", lambda: append(space, 0, progress))
    clone = cloning_run(space)
    bc = run("clone", lambda: run_learner(space, 0, "clone", "r000-bc", clone, None, progress)).policy
    run(
        "baseline",
        lambda: evaluate(
            space,
            0,
            pool,
            progress,
            stage="baseline",
            policy=bc,
            episodes=episodes,
            purpose="baseline",
        ),
    )

    def learned() -> Raced:
        config = pac_run(space, settings.improve_steps)
        run_learner(space, 0, "learn", "r000-pac", config, bc, progress)
        return race(space, 0, pool, progress)

    first = run("learn", learned)
    reason = "learned from the demonstrations"
    space.registry.install(first.policy, reason=reason, by="round 0", round=0, action="first")
    return first


def run_final(
    space: Workspace, number: int, policy: str, pool: Pool, progress: Progress, run: Run = run_directly
) -> Measured:
    """Measure a policy on seeds that no stage has seen, for the record of the round it ended with."""
    episodes, stage = space.config.improve.evaluation_episodes, f"final-{policy}"
    return run(
        "final",
        lambda: evaluate(space, number, pool, progress, stage=stage, policy=policy, episodes=episodes),
    )


def reached(space: Workspace, number: int, champion: str) -> str | None:
    """The sentence that says so where the champion's fresh episodes up to a round show the target reached.

    They are all that it collected, as in the gate. The confidence is that of one look; a champion that
    collects again is looked at again.
    """
    settings, sample = space.config.improve, champion_sample(space, number, champion)
    lower, _ = wilson(sample.successes, sample.episodes, confidence=2 * settings.confidence - 1)
    if lower < settings.until:
        return None
    return (
        f"{champion} succeeded in {sample.successes} of {sample.episodes} fresh episodes, "
        f"so {settings.until:.0%} is reached with {settings.confidence:.0%} confidence"
    )
