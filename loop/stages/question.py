"""A promotion that waits for a person, and the answer: what needs neither a policy nor the test."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from ..errors import LoopError
from ..workspace.place import command
from ..workspace.verdict import Answer, Verdict
from ..workspace.workspace import Workspace

JUDGED = "judged"
"""The stage under whose name a verdict waits for a person."""


@dataclass(frozen=True)
class Question:
    """A promotion that waits for a person: its round, the gate's verdict, the workspace's place."""

    round: int
    judged: Verdict
    place: str

    def sentence(self) -> str:
        """What waits, and how to answer in a terminal."""
        who = self.judged.candidate
        words = (f"{word} {who} --reason ..." for word in ("approve", "reject"))
        approve, reject = (command(each, self.place) for each in words)
        return f"round {self.round}: {who} waits for approval; answer with `{approve}` or `{reject}`"


def make_answer(decision: Literal["approve", "reject", "none"], *, by: str, reason: str) -> Answer:
    """An answer given now."""
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return Answer(decision=decision, by=by, reason=reason, when=when)


def question(space: Workspace) -> Question | None:
    """The promotion that waits; None where none does, or it was answered. Needs no lease."""
    number = max(space.rounds(), default=0)
    judged = space.record(Verdict, number, JUDGED)
    if judged is None or space.has_record(number, Verdict.STAGE) or space.has_record(number, Answer.STAGE):
        return None
    return Question(number, judged, space.place)


def answer(space: Workspace, given: Answer, policy: str = "") -> Question:
    """Answer the promotion that waits; returns it. Raises LoopError where none does, or somebody has.

    And where it is another than that of `policy`, where one is named: nobody has looked at that one.
    """
    asked = question(space)
    if asked is None:
        raise LoopError(f"nothing waits for approval in {space.place}")
    if policy not in ("", asked.judged.candidate):
        raise LoopError(f"{policy} does not wait for approval; {asked.sentence()}")
    if not space.create_json(answer_file(asked.round), given.model_dump()):
        by = space.require(Answer, asked.round).by
        raise LoopError(f"round {asked.round} was answered meanwhile, by {by}")
    return asked


def answer_file(number: int) -> str:
    """The name of the file of a round's answer."""
    return f"rounds/{number:03d}/{Answer.STAGE}.json"
