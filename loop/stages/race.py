"""Which candidate, and how it acts, is chosen by evidence: a race on few episodes, before the gate.

The critic of a young policy errs, and picking the best of many actions picks its errors; a grown one
is worth asking about many. So every number of actions in `[act] trial_actions` is tried at every
temperature in `trial_temperatures` on a few fresh episodes, and so are earlier weights of the learner's run
where it kept any (`entrants.py` says who is raced). The better half goes on to twice as many, and
so forth (successive halving; Karnin, Koren and Somekh, 2013). The winner is what the gate then judges, on
seeds of its own: the race's episodes were selected, so they prove nothing there. They are data like any
others.
"""

from dataclasses import replace
from typing import Any

from ...actors.rollout.rollout import PolicyError
from ...learner.checkpoint import read_record, read_weights
from ..episodes.play import Play, Pool, play
from ..episodes.seeds import Purpose
from ..errors import LoopError
from ..progress import Progress, Stopwatch
from ..workspace.workspace import Workspace
from .entrants import Entrant, entrants, everyone, short

SEEDS, EARLIER_SEEDS = 2**16, 2**14
"""Seeds that each way of acting has for itself: with the last weights, and with earlier ones."""
MOST_ACTIONS = 64
"""More are not tried."""
SLOTS = 2**8
"""Above the slot of any way of acting."""


def race(space: Workspace, number: int, pool: Pool, progress: Progress) -> dict[str, Any]:
    """Find out which of the round's entrants is best, and write that policy.

    Returns the record of the stage: `policy` is the candidate from here on, which is the learned one
    where its own way of acting won or no other is to be tried.
    """
    if done := space.outcome(number, "race"):
        return done
    learned = space.outcome(number, "learn")
    if learned is None:
        raise LoopError(f"round {number} has no learn yet; run: pacloop learn")
    watch = Stopwatch()
    left, asked = entrants(space, number, everyone(space, learned))
    tallies: dict[Entrant, tuple[float, int]] = {}
    wanted = space.config.act.trial_episodes
    while len(left) > 1:
        for entrant in left:
            tallies[entrant] = _tally(space, number, pool, progress, entrant, wanted)
        # Among equals what a trusted screen expects most of, then the last weights and the fewest actions.
        left.sort(key=lambda each: (-_rate(tallies[each]), -asked.get(str(each), 0.0), each.order))
        left, wanted = left[: len(left) // 2], 2 * wanted
    tried = [
        {"actions": entrant.way.actions, **entrant.facts(), "successes": score, "episodes": episodes}
        for entrant, (score, episodes) in sorted(tallies.items(), key=lambda item: item[0].order)
    ]
    outcome = {
        "policy": _write_winner(space, left[0]) if left else learned["policy"],
        "tried": tried,
        "episodes": sum(played for _, played in tallies.values()),
        "seconds": watch.sec,
    }
    return space.write_outcome(number, "race", outcome)


def _write_winner(space: Workspace, winner: Entrant) -> str:
    """The id of the policy that acts as the winner did, written where there is none yet."""
    folder = space.policy_folder(winner.policy)
    record = read_record(folder)
    if winner.way == record.acting:
        return winner.policy
    policy = f"{winner.policy}-{short(winner.way)}"
    space.write_policy(replace(record, id=policy, acting=winner.way), read_weights(folder))
    return policy


def _tally(
    space: Workspace, number: int, pool: Pool, progress: Progress, entrant: Entrant, episodes: int
) -> tuple[float, int]:
    """Score and episodes of an entrant; blocks of an earlier lap are found, not played again.

    One that fails to act has no episodes.
    """
    purpose, first, room = _seeds(space, entrant)
    if episodes > room:
        raise LoopError(
            f"[act] trial_episodes is {space.config.act.trial_episodes}, so round {number} would race "
            f"{entrant} for {episodes} episodes, but only {room} have seeds of their own"
        )
    wanted = Play(
        name=f"race-{entrant.short}",
        policy=entrant.policy,
        purpose=purpose,
        source="evaluation",
        round=number,
        episodes=episodes,
        block=space.config.act.trial_episodes,
        acting=entrant.way,
        first=first,
    )
    try:
        batches = list(play(space, pool, wanted, progress))
    except PolicyError:
        return 0.0, 0
    return sum(b.score_sum for b in batches), sum(b.episodes for b in batches)


def _seeds(space: Workspace, entrant: Entrant) -> tuple[Purpose, int, int]:
    """Whose seeds an entrant plays, from which position on, and how many; no two entrants share one.

    They are a function of what it is, and not of who else is raced: a race goes on after a kill with the
    seeds it had, whatever has been asked for besides since. Within a purpose a way has its own slot among
    the numbers of actions of its temperature.
    """
    way, temperatures = entrant.way, {0.0, entrant.way.temperature, *space.config.act.trial_temperatures}
    slot = MOST_ACTIONS * sorted(temperatures).index(way.temperature) + way.actions
    if entrant.step is None:
        return "race", slot * SEEDS, SEEDS
    return "checkpoint", ((entrant.place - 1) * SLOTS + slot) * EARLIER_SEEDS, EARLIER_SEEDS


def _rate(tally: tuple[float, int]) -> float:
    return tally[0] / tally[1] if tally[1] else -1.0
