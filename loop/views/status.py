"""How a workspace stands: its rounds so far, its champion, who is at work, and what goes on."""

from dataclasses import dataclass
from typing import Any

from ..gate.alarm import Record, champion_record
from ..stages.approval import Question, question
from ..workspace.lease import at_work
from ..workspace.workspace import Workspace
from .at_work import Now, now
from .rounds import Row, committed, rows


@dataclass(frozen=True)
class Status:
    """All that `pacloop status` shows.

    Attributes:
      task: its name.
      rows: the rounds so far.
      champion: id of the policy in force, or None.
      record: of its fresh episodes; None where it has none.
      at_work: who holds the workspace, or None.
      now: what the last round is at; None where it has ended.
      question: the promotion that waits for a person, or None.
    """

    task: str
    rows: list[Row]
    champion: str | None
    record: Record | None
    at_work: str | None
    now: Now | None
    question: Question | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        waits = self.question and {"round": self.question.round, "policy": self.question.candidate}
        return {
            "task": self.task,
            "champion": self.champion,
            "at_work": self.at_work,
            "now": self.now.to_json() if self.now else None,
            "record": self.record.to_json() if self.record else None,
            "waits": waits,
            "rows": [row.to_json() for row in self.rows],
        }

    def summary(self) -> str:
        """The champion, who is at work, the champion's record, and what waits, a line each."""
        lines = [f"champion: {self.champion or 'none yet'}   at work: {self.at_work or 'nobody'}"]
        lines += [self.record.sentence()] if self.record else []
        lines += [self.question.sentence()] if self.question else []
        return "\n".join(lines)


def read_status(space: Workspace, before: Status | None = None) -> Status:
    """The status as of now. Takes no lease. Where no row has changed, the record is that of `before`."""
    current, champion = rows(space), space.registry.champion()
    if before and (before.rows, before.champion) == (current, champion):
        record = before.record
    else:
        record = champion_record(space)
    return Status(
        task=space.config.task,
        rows=current,
        champion=champion,
        record=record,
        at_work=at_work(space),
        now=now(space, committed(space)),
        question=question(space),
    )


def now_line(at: Now) -> str:
    """What goes on, in words: `round 3, learn: 2150 of 5000 steps, loss 0.6`."""
    unit = "steps" if at.stage in ("clone", "learn") else "episodes"
    how_much = f"{at.done} of {at.total} {unit}" if at.total else f"{at.done} {unit}"
    return f"round {at.round}, {at.stage}: {how_much}" + (f", {at.note}" if at.note else "")
