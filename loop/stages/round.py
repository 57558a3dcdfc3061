"""A round: collect, append, learn, gate. Killed anywhere, the same call goes on from what is on disk."""

from collections.abc import Callable
from typing import Any

from ..episodes.play import Session
from ..gate.budget import level_of_round
from ..gate.critic import check_critic
from ..workspace.records import Diverged, Learned, Measured, Raced, Reached
from ..workspace.verdict import Verdict
from .append import append
from .approval import Door, approved, no_door
from .collect import collect
from .evaluate import evaluate
from .gate import gate
from .learn import cloning_run, learn, pac_run, run_learner
from .race import race
from .target import reached

Run = Callable[[str, Callable[[], Any]], Any]
"""Runs one stage, given its name, and returns what it ended with; the flows make a Prefect task of it."""


def run_directly(_name: str, stage: Callable[[], Any]) -> Any:
    """Run a stage as it is."""
    return stage()


def run_round(
    session: Session, number: int, run: Run = run_directly, door: Door = no_door
) -> Verdict | Reached:
    """One pass of the four stages; returns the verdict. A promotion that needs a person is shown at `door`.

    Where the target counts as reached, there is nothing left to learn and the round ends with it.
    """
    space = session.space
    sample = run("collect", lambda: collect(session, number))
    run("append", lambda: append(space, number, session.progress))
    reason = reached(space, number, sample.champion)
    if reason and not space.has_record(number, Learned.STAGE):
        return space.write_record(number, Reached(reason=reason))
    run("learn", lambda: learn_candidate(session, number))
    verdict = run("gate", lambda: gate(session, number))
    if space.has_record(number, Verdict.STAGE):
        return verdict
    return approved(space, number, session.progress, door)


def learn_candidate(session: Session, number: int) -> Raced | Diverged:
    """Learn a candidate, check its critic, and find out how it acts best; a run that diverged has none.

    Raises LoopError where the gate has nothing left to promote one with.
    """
    level_of_round(session.space, number)
    learned = learn(session.space, number, session.progress)
    if isinstance(learned, Diverged):
        return learned
    check_critic(session.space, number, session.progress)
    return race(session, number)


def run_start(session: Session, run: Run = run_directly) -> Raced:
    """Round 0: from the demonstrations to the BC baseline, then to the first champion, learned by PAC."""
    space, progress = session.space, session.progress
    run("append", lambda: append(space, 0, progress))
    clone = cloning_run(space)
    bc = run("clone", lambda: run_learner(space, 0, "clone", "r000-bc", clone, None, progress)).policy
    run("baseline", lambda: evaluate(session, 0, "baseline", bc, "baseline"))

    def learned() -> Raced:
        config = pac_run(space, space.config.learn.improve_steps)
        run_learner(space, 0, "learn", "r000-pac", config, bc, progress)
        return race(session, 0)

    first = run("learn", learned)
    reason = "learned from the demonstrations"
    space.registry.install(first.policy, reason=reason, by="round 0", round=0, action="first")
    return first


def run_final(session: Session, number: int, policy: str, run: Run = run_directly) -> Measured:
    """Measure a policy on seeds that no stage has seen, for the record of the round it ended with."""
    return run("final", lambda: evaluate(session, number, f"final-{policy}", policy))
