"""A person's word on a promotion, where `[gate] approve` asks for it.

The gate's verdict then waits as `judged.json`. Each asking has a number, and the file `answer-<number>.json`
answers it: whoever writes it first has answered, on a form or in a terminal. Nobody can promote what the
test did not: an answer takes promotions away and adds none, so the level of the gate holds.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count, takewhile
from typing import Literal

from ...datasets.files import read_json
from ..episodes.play import Pool
from ..errors import LoopError
from ..progress import Progress
from ..workspace.workspace import Outcome, Workspace
from .gate import promote_winner, unless_changed
from .stages import evaluate

Decision = Literal["approve", "reject", "more episodes"]

POLL_SEC = 2.0
"""So often is looked for an answer."""


@dataclass(frozen=True)
class Answer:
    """What a person said to a promotion that waits.

    Attributes:
      decision: see `Decision`; "none" where nobody answered in time.
      by: who.
      reason: why.
      episodes: how many more, where more are asked for.
      when: ISO time, UTC.
    """

    decision: Decision | Literal["none"]
    by: str
    reason: str
    episodes: int = 0
    when: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


@dataclass(frozen=True)
class Question:
    """A promotion that waits for a person.

    Attributes:
      round: its round.
      number: which asking of the round, from 1.
      judged: the gate's verdict, with the tally of each measurement since under `more`.
    """

    round: int
    number: int
    judged: Outcome

    @property
    def candidate(self) -> str:
        """Id of the policy that would be promoted."""
        return self.judged["candidate"]

    def sentence(self) -> str:
        """What waits, and how to answer in a terminal."""
        return (
            f"round {self.round}: {self.candidate} waits for approval; answer with "
            "`pacloop approve --reason ...` or `pacloop reject --reason ...`"
        )


Look = Callable[[], Answer | None]
"""Looks once for an answer from elsewhere."""
Door = Callable[[Workspace, Question], AbstractContextManager[Look]]
"""Shows a question to people while it is open."""


def no_door(_space: Workspace, _question: Question) -> AbstractContextManager[Look]:
    """Ask nowhere but in the workspace's files."""
    return nullcontext(lambda: None)


def question(space: Workspace) -> Question | None:
    """The promotion that waits; None where none does. Needs no lease."""
    number = max(space.rounds(), default=0)
    judged = space.outcome(number, "judged")
    if judged is None or space.outcome(number, "gate"):
        return None
    more = _more(space, number)
    path = space.folder / _name(number, len(more) + 1)
    if path.exists() and read_json(path)["decision"] != "more episodes":
        return None  # answered; whoever holds the workspace next settles it
    return Question(number, len(more) + 1, judged | {"more": more})


def answer(space: Workspace, given: Answer) -> Question:
    """Answer the promotion that waits; returns it. Raises LoopError where none does, or somebody has."""
    asked = question(space)
    if asked is None:
        raise LoopError(f"nothing waits for approval in {space.place}")
    name = _name(asked.round, asked.number)
    path = space.folder / name
    if path.exists():
        raise LoopError(f"round {asked.round} plays {read_json(path)['episodes']} more episodes; answer then")
    if not space.create_json(name, asdict(given)):
        raise LoopError(f"round {asked.round} was answered meanwhile, by {read_json(path)['by']}")
    return asked


def approved(
    space: Workspace,
    number: int,
    pool: Pool,
    progress: Progress,
    run: Callable[[str, Callable[[], Outcome]], Outcome],
    door: Door,
) -> Outcome:
    """Ask until somebody approves or rejects, or time is over; returns the round's verdict."""
    k, played = 1, 0
    while (said := _wait(space, number, k, progress, door)).decision == "more episodes":
        run("more episodes", partial(_measure, space, number, pool, progress, k, said.episodes, played))
        k, played = k + 1, played + said.episodes
    return _settle(space, number, said)


def _measure(
    space: Workspace, number: int, pool: Pool, progress: Progress, k: int, episodes: int, first: int
) -> Outcome:
    """More episodes of the candidate, on seeds of their own, for the asking after the `k`th."""
    candidate = _judged(space, number)["candidate"]
    return evaluate(
        space,
        number,
        pool,
        progress,
        stage=f"approval-{k}",
        policy=candidate,
        episodes=episodes,
        purpose="approval",
        first=first,
    )


def _wait(space: Workspace, number: int, k: int, progress: Progress, door: Door) -> Answer:
    name = _name(number, k)
    hours = space.config.gate.approve_hours
    asked = None if (path := space.current(name)).exists() else question(space)
    if asked is None:
        return Answer(**read_json(path))
    progress("approval", k, k, asked.sentence())
    deadline = time.monotonic() + hours * 3600
    with door(space, asked) as look:
        while not space.current(name).exists():
            if said := look():
                space.create_json(name, asdict(said))
            elif time.monotonic() > deadline:
                none = Answer("none", "nobody", f"nobody answered within {hours:g} hours")
                space.create_json(name, asdict(none))
            else:
                time.sleep(POLL_SEC)
    return Answer(**read_json(path))


def _settle(space: Workspace, number: int, said: Answer) -> Outcome:
    judged = _judged(space, number)
    words = {
        "approve": ("promoted", f"approved by {said.by}: {said.reason}"),
        "reject": ("rejected", f"rejected by {said.by}: {said.reason}"),
        "none": ("undecided", f"{said.reason}, so the champion stays"),
    }
    decision, reason = words[said.decision]
    outcome = judged | {"decision": decision, "reason": f"{reason}; the test: {judged['reason']}"}
    outcome["approval"] = asdict(said) | {"more": _more(space, number)}
    outcome = unless_changed(space, number, outcome)
    space.write_outcome(number, "gate", outcome)
    promote_winner(space, number, outcome)
    return outcome


def _judged(space: Workspace, number: int) -> Outcome:
    judged = space.outcome(number, "judged")
    if judged is None:
        raise LoopError(f"round {number} has no verdict that waits for approval")
    return judged


def _more(space: Workspace, number: int) -> list[Outcome]:
    """The measurements that people asked for so far, in order."""
    measured = (space.outcome(number, f"approval-{k}") for k in count(1))
    return list(takewhile(bool, measured))  # pyright: ignore[reportReturnType]


def _name(number: int, k: int) -> str:
    return f"rounds/{number:03d}/answer-{k}.json"
