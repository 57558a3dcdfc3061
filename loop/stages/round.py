"""A round, and the rounds one after another until the champion is good enough.

Everything here may be killed at any point; the same call goes on from what is on disk.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..episodes.play import Pool
from ..episodes.sample import champion_sample
from ..errors import LoopError
from ..gate.critic import screen
from ..progress import Progress
from ..statistics.wilson import wilson
from ..workspace.workspace import Outcome, Workspace
from .approval import Door, approved, no_door
from .gate import check_gate
from .learn import pac_run, run_learner
from .race import race
from .stages import append, collect, evaluate, gate, learn

Run = Callable[[str, Callable[[], Outcome]], Outcome]
"""Runs one stage, given its name; the flows make a Prefect task of it."""


def run_directly(_name: str, stage: Callable[[], Outcome]) -> Outcome:
    """Run a stage as it is."""
    return stage()


def run_round(
    space: Workspace,
    number: int,
    pool: Pool,
    progress: Progress,
    run: Run = run_directly,
    door: Door = no_door,
) -> Outcome:
    """One pass of the four stages; returns the verdict. A promotion that needs a person is shown at `door`.

    Where the champion's fresh sample shows that the target is reached, there is nothing left to learn
    and the round ends with it: the verdict is then `{"decision": "reached", ...}`.
    """
    sample = run("collect", lambda: collect(space, number, pool, progress))
    run("append", lambda: append(space, number, pool, progress))
    reason = reached(space, number, sample["champion"])
    if reason and space.outcome(number, "learn") is None:
        return space.write_outcome(number, "reached", {"decision": "reached", "reason": reason})
    run("learn", lambda: learn_candidate(space, number, pool, progress))
    verdict = run("gate", lambda: gate(space, number, pool, progress))
    if space.outcome(number, "gate"):
        return verdict
    return approved(space, number, pool, progress, run, door)


def learn_candidate(space: Workspace, number: int, pool: Pool, progress: Progress) -> Outcome:
    """Learn a candidate, ask the critics about it, and find out how it acts best."""
    learn(space, number, pool, progress)
    screen(space, number, pool, progress)
    return race(space, number, pool, progress)


def run_start(space: Workspace, pool: Pool, progress: Progress, run: Run = run_directly) -> Outcome:
    """Round 0: from the demonstrations to the BC baseline, then to the first champion, learned by PAC."""
    settings, improve = space.config.learn, space.config.improve
    run("append", lambda: append(space, 0, pool, progress))
    clone = pac_run(space, settings.clone_steps)
    clone = type(clone)(**{**vars(clone), "alpha": 1.0, "learning_rate": settings.clone_rate})
    bc = run("clone", lambda: run_learner(space, 0, "clone", "r000-bc", clone, None, progress))
    run(
        "baseline",
        lambda: evaluate(
            space,
            0,
            pool,
            progress,
            stage="baseline",
            policy=bc["policy"],
            episodes=improve.baseline_episodes,
            purpose="baseline",
        ),
    )
    pac = pac_run(space, settings.improve_steps)

    def learned() -> Outcome:
        run_learner(space, 0, "learn", "r000-pac", pac, bc["policy"], progress)
        return race(space, 0, pool, progress)

    first = run("learn", learned)
    space.registry.install(
        first["policy"], reason="learned from the demonstrations", by="round 0", round=0, action="first"
    )
    return first


def run_final(
    space: Workspace, number: int, policy: str, pool: Pool, progress: Progress, run: Run = run_directly
) -> Outcome:
    """Measure a policy on seeds that no stage has seen, for the record of the round it ended with."""
    episodes, stage = space.config.improve.evaluation_episodes, f"final-{policy}"
    return run(
        "final",
        lambda: evaluate(space, number, pool, progress, stage=stage, policy=policy, episodes=episodes),
    )


@dataclass(frozen=True)
class Improved:
    """How `improve` ended.

    Attributes:
      champion: the policy in force.
      final: its measurement on fresh seeds, as `stages.evaluate` records it.
      why: why no further round began, in one sentence.
      good: whether the final measurement reaches the target.
    """

    champion: str
    final: Outcome
    why: str
    good: bool


def improve(
    space: Workspace,
    pool: Pool,
    progress: Progress,
    *,
    rounds: int,
    minutes: float = 0.0,
    play_start: Callable[[], Any] | None = None,
    play_round: Callable[[int], Outcome] | None = None,
    measure: Callable[[int, str], Outcome] | None = None,
) -> Improved:
    """Run rounds until the target is reached, `rounds` have ended, or `minutes` are over.

    Then measure the champion once on fresh seeds that no stage has seen. Every call that adds no round
    finds that measurement again and adds nothing.

    Args:
      space: the workspace, whose lease the caller holds.
      pool: gives the collectors.
      progress: told what goes on.
      rounds: rounds that the workspace may have in the end, without round 0.
      minutes: no round begins after so long; 0 is no limit.
      play_start: runs round 0; `run_start` by default.
      play_round: runs the round of a number; `run_round` by default.
      measure: measures a champion after a round; `run_final` by default.
    """
    begun = time.monotonic()
    check_gate(space)
    start = play_start or (lambda: run_start(space, pool, progress))
    one = play_round or (lambda number: run_round(space, number, pool, progress))
    if space.outcome(0, "race") is None or space.registry.champion() is None:
        start()
    number, why = next_round(space), ""
    while not why:
        if last := _target_reached(space):
            why = f"the target is reached: {last}"
        elif number > rounds:
            why = f"{rounds} rounds have ended"
        elif minutes and time.monotonic() - begun > minutes * 60:
            why = f"{minutes:g} minutes are over"
        else:
            one(number)
            number = next_round(space)
    champion = space.registry.champion()
    if champion is None:
        raise LoopError(f"{space.place} has no champion")
    last = max(space.rounds())
    final = space.outcome(last, f"final-{champion}")
    if final is None:
        final = measure(last, champion) if measure else run_final(space, last, champion, pool, progress)
    return Improved(champion, final, why, final["rate"] >= space.config.improve.until)


def next_round(space: Workspace) -> int:
    """The round to run: the last one if it has not ended, else a new one."""
    last = max([number for number in space.rounds() if number > 0], default=0)
    ended = last == 0 or space.outcome(last, "gate") or space.outcome(last, "reached")
    return last + 1 if ended else last


def reached(space: Workspace, number: int, champion: str) -> str | None:
    """The sentence that says so where the champion's fresh episodes up to a round show the target reached.

    They are all that it collected, as in the gate. The confidence is that of one look; a champion that
    collects again is looked at again.
    """
    settings = space.config.improve
    successes, episodes = champion_sample(space, number, champion)
    lower, _ = wilson(successes, episodes, confidence=2 * settings.confidence - 1)
    if lower < settings.until:
        return None
    return (
        f"{champion} succeeded in {successes} of {episodes} fresh episodes, "
        f"so {settings.until:.0%} is reached with {settings.confidence:.0%} confidence"
    )


def _target_reached(space: Workspace) -> str | None:
    """The same, of a round that ended with it; None where the target was raised meanwhile."""
    last = max(space.rounds())
    sample = space.outcome(last, "collect")
    if sample is None or space.outcome(last, "reached") is None:
        return None
    return reached(space, last, sample["champion"])
