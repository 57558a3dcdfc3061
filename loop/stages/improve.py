"""The main job: rounds one after another, until the champion is good enough."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...actors.registry import find_task
from ...actors.rollout.ray_connection import check_address
from ..episodes.play import Session
from ..episodes.sample import champion_sample
from ..injection.demonstrations import no_demonstrations
from ..workspace.machine import check_tasks
from ..workspace.records import Begun, Measured, Raced, Reached
from ..workspace.verdict import Verdict
from ..workspace.workspace import Workspace
from .collect import champion_of
from .gate import check_gate, settled
from .round import run_final, run_round, run_start
from .target import reached_in


@dataclass(frozen=True)
class Improved:
    """How `improve` ended.

    Attributes:
      final: the measurement of the policy in force on fresh seeds.
      why: why no further round began, in one sentence.
      good: whether the final measurement reaches the target.
    """

    final: Measured
    why: str
    good: bool


PARTS: dict[str, Callable[..., Any]] = {"start": run_start, "round": run_round, "final": run_final}
"""What a run consists of: round 0, the round of a number, the measurement of a champion after a round."""

Play = Callable[..., Any]
"""Plays the part of a name, with its arguments but for the session; the flows make Prefect runs of them."""


def play_directly(session: Session) -> Play:
    """Plays everything as it is."""
    return lambda part, *arguments: PARTS[part](session, *arguments)


def improve(space: Workspace, play: Play, *, rounds: int, minutes: float = 0.0) -> Improved:
    """Run rounds until the target is reached, `rounds` were played, or `minutes` are over.

    Then measure the champion once on fresh seeds that no stage has seen. Where an earlier call has reached
    the target, one round watches the champion (see `target.py`); while it still counts as reached, nothing is
    measured besides: what the champion has collected says more.

    Args:
      space: the workspace, whose lease the caller holds.
      play: plays the parts.
      rounds: rounds that this call may play; one that was interrupted counts, also where it has ended and
        only its measurement is missing.
      minutes: no round begins after so long; 0 is no limit.
    """
    begun = time.monotonic()
    check_start(space)
    if not space.has_record(0, Raced.STAGE) or space.registry.champion() is None:
        play("start")
    settled(space, max(space.rounds()))
    played, why, reason = int(_interrupted(space)), "", None
    while not why:
        reason = reached_in(space, max(space.rounds()))
        if reason and (played or not rounds):
            why = f"the target is reached: {reason}"
        elif played >= rounds:
            why = "1 round was played" if rounds == 1 else f"{rounds} rounds were played"
        elif minutes and time.monotonic() - begun > minutes * 60:
            why = f"{minutes:g} minutes are over"
        else:
            play("round", next_round(space))
            played += 1
    final = _measurement(space, play, watched=reason is not None)
    return Improved(final, why, final.rate >= space.config.improve.until)


def _measurement(space: Workspace, play: Play, *, watched: bool) -> Measured:
    """That of the champion after the last round: all that it collected, where the run only watched it."""
    champion, last = champion_of(space), max(space.rounds())
    if not watched or not _has_watched(space, last):
        return space.record(Measured, last, f"final-{champion}") or play("final", last, champion)
    sample = champion_sample(space, last, champion)
    return Measured(
        policy=champion,
        episodes=sample.episodes,
        successes=sample.successes,
        rate=sample.rate,
        interval=sample.interval,
    )


def check_start(space: Workspace) -> None:
    """Raise PacloopError for what can be known to stop a run before anything is started for it."""
    check_tasks(space.config)
    find_task(space.config.task)
    check_address()
    if not space.has_store() or not space.store.batches():
        raise no_demonstrations(space)
    check_gate(space)


def next_round(space: Workspace) -> int:
    """The round to run: the last one if it has not ended, else a new one."""
    last = max(space.rounds(), default=0)
    ended = any(space.has_record(last, kind.STAGE) for kind in (Verdict, Reached))
    return last + 1 if last == 0 or ended else last


def _interrupted(space: Workspace) -> bool:
    """Whether the last round has ended, and a kill kept the run from measuring what came of it."""
    last = max(space.rounds(), default=0)
    measured = _has_watched(space, last) or any(space.round_folder(last).glob("final-*.json"))
    return 0 < last < next_round(space) and not measured


def _has_watched(space: Workspace, number: int) -> bool:
    """Whether a round has only watched the champion."""
    begun = space.record(Begun, number)
    return bool(begun and begun.watches and space.has_record(number, Reached.STAGE))
