"""How a workspace stands: its rounds so far, its champion, who is at work, and what goes on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...datasets import Batch
from ..episodes.sample import failed_sentence
from ..gate.alarm import ChampionRecord, champion_record
from ..injection.demonstrations import ways_to_demonstrate
from ..stages.question import Question, question
from ..workspace.copied import copy_sentence
from ..workspace.lease import at_work
from ..workspace.machine import check_tasks
from ..workspace.place import command
from ..workspace.records import From
from ..workspace.workspace import Workspace
from .at_work import Activity, activity
from .rounds import Row, committed, rows


@dataclass(frozen=True)
class Status:
    """All that `pacloop status` shows.

    Attributes:
      champion: id of the policy in force, or None.
      record: of its fresh episodes; None where it has none.
      at_work: who holds the workspace, or None.
      now: what the last round is at; None where it has ended.
      question: the promotion that waits for a person, or None.
      failed: what could not be played, in a sentence, or "".
      begun_from: the workspace and the policy that it goes on from, or None.
      copied: that the workspace is a copy, in a sentence, or "".
      next_step: what leads on where nothing is there yet, as commands, or "".
    """

    task: str
    rows: list[Row]
    champion: str | None
    record: ChampionRecord | None
    at_work: str | None
    now: Activity | None
    question: Question | None
    failed: str = ""
    begun_from: dict[str, str] | None = None
    copied: str = ""
    next_step: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        data, waiting = asdict(self), self.question
        del data["question"]
        return data | {"waits": waiting and {"round": waiting.round, "policy": waiting.judged.candidate}}

    def summary(self) -> str:
        """The champion, who is at work, the champion's record, what waits, what failed, what is next."""
        lines = [f"champion: {self.champion or 'none yet'}   at work: {self.at_work or 'nobody'}"]
        if begun := self.begun_from:
            lines.append(f"goes on from {begun['policy']} of {begun['workspace']}")
        lines += [self.record.sentence()] if self.record else []
        lines += [self.question.sentence()] if self.question else []
        lines += [text for text in (self.failed, self.copied, self.next_step) if text]
        return "\n".join(lines)


def read_status(space: Workspace, before: Status | None = None) -> Status:
    """The status as of now. Takes no lease. Where no row has changed, the record is that of `before`.

    Raises LoopError where a task is not known here; a workspace in a bucket is watched from anywhere.
    """
    if not space.copy:
        check_tasks(space.config)
    champion, batches = space.registry.champion(), committed(space)
    current = rows(space, batches)
    begun = space.record(From, 0)
    if before and (before.rows, before.champion) == (current, champion):
        record = before.record
    else:
        record = champion_record(space, batches) if space.has_store() else None
    return Status(
        task=space.config.task,
        rows=current,
        champion=champion,
        record=record,
        at_work=at_work(space),
        now=activity(space, batches),
        question=question(space),
        failed=failed_sentence(space, batches),
        begun_from=begun and begun.facts(),
        copied=copy_sentence(space),
        next_step=_next_step(space, batches),
    )


def _next_step(space: Workspace, batches: Sequence[Batch]) -> str:
    if not batches:
        return f"add demonstrations: {ways_to_demonstrate(space)}"
    if space.registry.champion() is None:
        return f"learn a first policy: {command('improve', space.place)}"
    return ""
