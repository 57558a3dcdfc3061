"""A person's word on a promotion, where `[gate] approve` asks for it.

The gate's verdict then waits as `judged.json`, and `answer.json` answers it: whoever writes it first has
answered, in a terminal or on a form, unless another form was filled in before, which the verdict then says.
Nobody can promote what the test did not: an answer takes promotions away and adds none, so the level of the
gate holds.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Literal

from ..progress import Progress
from ..workspace.verdict import Answer, Verdict
from ..workspace.workspace import Workspace
from .gate import settled, unless_changed
from .question import JUDGED, Question, answer_file, make_answer

POLL_SEC = 2.0
"""So often is looked for an answer."""


Look = Callable[[], Answer | None]
"""Looks once for an answer from elsewhere."""
Door = Callable[[Workspace, Question], AbstractContextManager[Look]]
"""Shows a question to people while it is open."""


def no_door(_space: Workspace, _question: Question) -> AbstractContextManager[Look]:
    """Ask nowhere but in the workspace's files."""
    return nullcontext(lambda: None)


def approved(space: Workspace, number: int, progress: Progress, door: Door) -> Verdict:
    """Wait until somebody approves or rejects, or time is over; returns the round's verdict."""
    judged = space.require(Verdict, number, JUDGED)
    given = _wait(space, Question(number, judged, space.place), progress, door)
    words: dict[str, tuple[Literal["promoted", "rejected", "undecided"], str]] = {
        "approve": ("promoted", f"approved by {given.by}: {given.reason}"),
        "reject": ("rejected", f"rejected by {given.by}: {given.reason}"),
        "none": ("undecided", f"{given.reason}, so the champion stays"),
    }
    decision, reason = words[given.decision]
    update = {"decision": decision, "reason": f"{reason}; the test: {judged.reason}", "approval": given}
    verdict = unless_changed(space, number, judged.model_copy(update=update))
    space.write_record(number, verdict)
    return settled(space, number) or verdict


def _wait(space: Workspace, asked: Question, progress: Progress, door: Door) -> Answer:
    """The earliest answer: a form may have been filled in before a terminal answered, and seen only now."""
    if not _answer(space, asked.round):
        progress("approval", 1, 1, asked.sentence())
    hours = space.config.gate.approve_hours
    waited_sec, begun_sec = _waited_sec(asked), time.monotonic()
    with door(space, asked) as look:
        while not (given := [each for each in (_answer(space, asked.round), look()) if each]):
            if waited_sec + time.monotonic() - begun_sec > hours * 3600:
                reason = f"nobody answered within {hours:g} hours"
                none = make_answer("none", by="nobody", reason=reason)
                space.create_json(answer_file(asked.round), none.model_dump())
            else:
                time.sleep(POLL_SEC)
    first = min(given, key=lambda each: each.when)
    space.create_json(answer_file(asked.round), first.model_dump())
    return first


def _waited_sec(asked: Question) -> float:
    """How long ago a question was put; from here on no jump of the clock counts."""
    when = asked.judged.asked
    return max(0.0, time.time() - datetime.fromisoformat(when).timestamp()) if when else 0.0


def _answer(space: Workspace, number: int) -> Answer | None:
    space.current(answer_file(number))  # others may have written it
    return space.record(Answer, number)
