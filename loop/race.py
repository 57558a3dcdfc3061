"""How a candidate acts is chosen by evidence: a race on few episodes, before the gate.

The critic of a young policy errs, and picking the best of many actions picks its errors; a grown one
is worth asking about many. So every number of actions in `[act] trial_actions` is tried at every
temperature in `trial_temperatures` on a few fresh episodes, the better half goes on to twice as many, and
so forth (successive halving; Karnin, Koren and Somekh, 2013). The winner is what the gate then judges, on
seeds of its own: the race's episodes were selected, so they prove nothing there. They are data like any
others.
"""

from dataclasses import replace
from typing import Any

from ..actors.rollout import PolicyError
from ..learner.checkpoint import read_record, read_weights
from ..learner.policy import Acting
from .errors import LoopError
from .play import Play, Pool, play
from .progress import Progress, Stopwatch
from .workspace import Workspace

SEEDS = 2**16
"""Seeds that each way of acting has for itself."""
MOST_ACTIONS = 64
"""More are not tried."""


def race(space: Workspace, number: int, pool: Pool, progress: Progress) -> dict[str, Any]:
    """Find out how the round's candidate acts best, and write that policy.

    Returns the record of the stage: `policy` is the candidate from here on, which is the learned one
    where its own way of acting won or no other is to be tried.
    """
    if done := space.outcome(number, "race"):
        return done
    learned = space.outcome(number, "learn")
    if learned is None:
        raise LoopError(f"round {number} has no learn yet; run: pacloop learn")
    watch, record = Stopwatch(), read_record(space.policy_folder(learned["policy"]))
    left, asked = entrants(space, number, record.acting)
    tallies: dict[Acting, tuple[float, int]] = {}
    wanted = space.config.act.trial_episodes
    while len(left) > 1:
        for way in left:
            tallies[way] = _tally(space, number, pool, progress, learned["policy"], way, wanted)
        # Among equals what a trusted screen expects most of, then the fewest actions: they are the cheapest.
        ranked = sorted(left, key=lambda way: (-_rate(tallies[way]), -asked.get(str(way), 0.0), *_place(way)))
        left, wanted = ranked[: len(ranked) // 2], 2 * wanted
    policy = learned["policy"]
    if left and left[0] != record.acting:
        policy = f"{policy}-{_short(left[0])}"
        space.write_policy(
            replace(record, id=policy, acting=left[0]),
            read_weights(space.policy_folder(learned["policy"])),
        )
    tried = [
        {"actions": way.actions, "way": str(way), "successes": tallies[way][0], "episodes": tallies[way][1]}
        for way in sorted(tallies, key=_place)
    ]
    episodes = sum(played for _, played in tallies.values())
    outcome = {"policy": policy, "tried": tried, "episodes": episodes, "seconds": watch.sec}
    return space.write_outcome(number, "race", outcome)


def ways(space: Workspace, acting: Acting) -> list[Acting]:
    """The ways to try, the policy's own among them; none where there is nothing to choose."""
    if acting.mode != "q_guided" or not space.config.act.trial_actions:
        return []
    settings = space.config.act
    found = {
        replace(acting, actions=count, temperature=temperature)
        if count > 1
        else Acting("sample", 1, acting.floor)
        for count in settings.trial_actions
        for temperature in {0.0, *settings.trial_temperatures}
    }
    return sorted(found | {acting}, key=_place)


def entrants(space: Workspace, number: int, acting: Acting) -> tuple[list[Acting], dict[str, float]]:
    """The ways that are raced, and what a screen that has earned it expects of each, by name.

    Such a screen drops the worse half before anything is played. One that rejects the candidate leaves
    none to be played.
    """
    found, screened = ways(space, acting), space.outcome(number, "screen")
    if screened is None or not screened["ways"]:
        return found, {}
    if screened["rejects"]:
        return [], {}
    if not screened["trust"]["order"]["earned"]:
        return found, {}
    asked = {each["way"]: each["q"] for each in screened["ways"]}
    found.sort(key=lambda way: -asked.get(str(way), 0.0))
    return found[: -(-len(found) // 2)], asked


def _tally(
    space: Workspace, number: int, pool: Pool, progress: Progress, policy: str, way: Acting, episodes: int
) -> tuple[float, int]:
    """Score and episodes of a way of acting; blocks of an earlier lap are found, not played again.

    A way in which the policy fails has no episodes.
    """
    wanted = Play(
        name=f"race-{_short(way)}",
        policy=policy,
        purpose="race",
        source="evaluation",
        round=number,
        episodes=episodes,
        block=space.config.act.trial_episodes,
        acting=way,
        first=_slot(space, way) * SEEDS,
    )
    try:
        batches = list(play(space, pool, wanted, progress))
    except PolicyError:
        return 0.0, 0
    return sum(b.score_sum for b in batches), sum(b.episodes for b in batches)


def _place(way: Acting) -> tuple[int, float]:
    return way.actions, way.temperature


def _short(way: Acting) -> str:
    """As part of a name: `sample`, `n4`, `n4-t0.01`."""
    if way.mode == "sample":
        return way.mode
    return f"n{way.actions}" + (f"-t{way.temperature:g}" if way.temperature else "")


def _slot(space: Workspace, way: Acting) -> int:
    """Where the seeds of a way lie: among the counts of its temperature."""
    temperatures = sorted({0.0, way.temperature, *space.config.act.trial_temperatures})
    return MOST_ACTIONS * temperatures.index(way.temperature) + way.actions


def _rate(tally: tuple[float, int]) -> float:
    return tally[0] / tally[1] if tally[1] else -1.0
