"""How a candidate acts is chosen by evidence: a race on few episodes, before the gate.

The critic of a young policy errs, and picking the best of many actions picks its errors; a grown one
is worth asking about many. So every number of actions in `[act] trial_actions` is tried on a few fresh
episodes; the better half goes on to twice as many, and so forth (successive halving; Karnin, Koren and
Somekh, 2013). The winner is what the gate then judges, on seeds of its own: the race's episodes were
selected, so they prove nothing there. They are data like any others.
"""

from dataclasses import replace

from ...actors.rollout.rollout import PolicyError
from ...learner.checkpoint import read_record, read_weights
from ...learner.policy import Acting
from ..episodes.pinned import pinned
from ..episodes.play import Play, Session, play
from ..episodes.sample import sample_of
from ..progress import stopwatch
from ..workspace.records import Learned, Raced, Way
from ..workspace.workspace import Workspace

SEEDS = 2**16
"""Seeds that each way of acting has for itself; `[act] trial_episodes` is bounded such that they suffice."""


def race(session: Session, number: int) -> Raced:
    """Find out in which way the round's candidate acts best, and write that policy.

    In the record, `policy` is the candidate from here on: the learned one where its own way of acting won
    or no other is to be tried.
    """
    space = session.space
    if done := space.record(Raced, number):
        return done
    watch, learned = stopwatch(), space.require(Learned, number).policy
    session = pinned(session, number, Raced.STAGE)
    space = session.space
    left = ways(space, read_record(space.policy_folder(learned)).acting)
    tried: dict[Acting, Way] = {}
    lap = space.config.act.trial_episodes
    while len(left) > 1:
        for acting in left:
            tried[acting] = _try(session, number, learned, acting, lap)
        left.sort(key=lambda acting: (-tried[acting].rate, acting.actions))  # among equals the cheapest
        left, lap = left[: len(left) // 2], 2 * lap
    record = Raced(
        policy=_write_winner(space, learned, left[0]) if left else learned,
        tried=tuple(sorted(tried.values(), key=lambda way: way.actions)),
        episodes=sum(way.episodes for way in tried.values()),
        seconds=watch(),
    )
    return space.write_record(number, record)


def ways(space: Workspace, acting: Acting) -> list[Acting]:
    """The ways to try, the policy's own among them; none where there is nothing to choose."""
    counts = space.config.act.trial_actions
    if acting.mode != "q_guided" or not counts:
        return []
    others = {replace(acting, actions=n) if n > 1 else Acting("sample", 1, acting.floor) for n in counts}
    return sorted(others | {acting}, key=lambda way: way.actions)


def _short(acting: Acting) -> str:
    """A way of acting as part of a name: `sample`, `n4`."""
    return f"n{acting.actions}" if acting.mode == "q_guided" else acting.mode


def _write_winner(space: Workspace, learned: str, winner: Acting) -> str:
    """The id of the policy that acts as the winner did, written where there is none yet."""
    folder = space.policy_folder(learned)
    record = read_record(folder)
    if winner == record.acting:
        return learned
    policy = f"{learned}-{_short(winner)}"
    space.write_policy(replace(record, id=policy, acting=winner), read_weights(folder))
    return policy


def _try(session: Session, number: int, policy: str, acting: Acting, episodes: int) -> Way:
    """Score and episodes of a way of acting; blocks of an earlier lap are found, not played again."""
    name, block = f"race-{_short(acting)}", session.space.config.act.trial_episodes
    order = Play(name, policy, "race", number, episodes, block, acting, first=acting.actions * SEEDS)
    try:
        sample = sample_of(play(session, order))
    except PolicyError:
        sample = sample_of([])
    played = sample.episodes + sample.failed  # what could not be played is a failure of the candidate
    return Way(way=str(acting), actions=acting.actions, successes=sample.score_sum, episodes=played)
