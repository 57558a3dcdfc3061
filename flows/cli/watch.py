"""`pacloop status`: the rounds so far, and what goes on now; once, or again and again."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...loop.gate.alarm import Record, champion_record
from ...loop.stages.approval import Question, question
from ...loop.views.at_work import Now, now
from ...loop.views.rounds import Row, committed, rows
from ...loop.workspace.lease import at_work
from ..terminal import reasons, rows_table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ...loop.workspace.workspace import Workspace


@dataclass(frozen=True)
class Status:
    """All that `status` shows.

    Attributes:
      task: its name.
      found: the rounds so far.
      champion: id of the policy in force, or None.
      record: of its fresh episodes; None where it has none.
      at_work: who holds the workspace, or None.
      now: what the last round is at; None where it has ended.
      asked: the promotion that waits for a person, or None.
    """

    task: str
    found: list[Row]
    champion: str | None
    record: Record | None
    at_work: str | None
    now: Now | None
    asked: Question | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "task": self.task,
            "champion": self.champion,
            "at_work": self.at_work,
            "now": self.now.to_json() if self.now else None,
            "record": self.record.to_json() if self.record else None,
            "waits": {"round": self.asked.round, "policy": self.asked.candidate} if self.asked else None,
            "rows": [row.to_json() for row in self.found],
        }

    def ending(self) -> str:
        """The lines below the table."""
        lines = [f"champion: {self.champion or 'none yet'}   at work: {self.at_work or 'nobody'}"]
        lines += [self.record.sentence()] if self.record else []
        return "\n".join([*lines, self.asked.sentence()] if self.asked else lines)


def read_status(space: "Workspace", before: Status | None = None) -> Status:
    """The status as of now. Takes no lease. Where no row has changed, the record is that of `before`."""
    found, champion = rows(space), space.registry.champion()
    same = before is not None and (before.found, before.champion) == (found, champion)
    record = before.record if same and before else champion_record(space)
    holder, at = at_work(space), now(space, committed(space))
    return Status(space.config.task, found, champion, record, holder, at, question(space))


def watch(space: "Workspace", every_sec: float, as_json: bool) -> None:
    """Show the status every so often until Ctrl-C: on a terminal in place, else a line for each change."""
    status = read_status(space)
    with _screen(as_json) as show:
        try:
            while True:
                show(status)
                time.sleep(every_sec)
                space.pull()
                status = read_status(space, status)
        except KeyboardInterrupt:
            pass
    if sys.stdout.isatty() and not as_json:
        print_status(status)


def print_status(status: Status) -> None:
    """Print it once."""
    from ..terminal import print_rows

    print_rows(status.found, f"{status.task}: success per round")
    if status.now and status.at_work:
        print(now_line(status.now))
    print(status.ending())


def now_line(at: Now) -> str:
    """What goes on, in words: `round 3, learn: 2150 of 5000, loss 0.6`."""
    unit = "steps" if at.stage in ("clone", "learn") else "episodes"
    how_much = f"{at.done} of {at.total} {unit}" if at.total else f"{at.done} {unit}"
    return f"round {at.round}, {at.stage}: {how_much}" + (f", {at.note}" if at.note else "")


@contextmanager
def _screen(as_json: bool) -> Iterator[Any]:
    if as_json:
        yield lambda status: print(json.dumps(status.to_json()), flush=True)
    elif sys.stdout.isatty():
        from rich.live import Live

        with Live(screen=True, auto_refresh=False) as live:
            yield lambda status: live.update(_page(status, live.console.height), refresh=True)
    else:
        yield _Changes()


class _Changes:
    """A line of text whenever it is another one."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, status: Status) -> None:
        line = now_line(status.now) if status.now else "nothing has begun that has not ended"
        line += f"; at work: {status.at_work or 'nobody'}"
        if line != self._last:
            print(line, flush=True)
        self._last = line


def _page(status: Status, height: int) -> "RenderableType":
    """All that fits on the screen: what goes on, the last rows, the last verdict's reason."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head = Table.grid(padding=(0, 1))
    if status.now:
        waits = "" if status.at_work else "  (nobody is at work on it)"
        head.add_row(Text(now_line(status.now) + waits, style="bold"))
        if status.now.total:
            head.add_row(ProgressBar(status.now.total, status.now.done, width=60))
    else:
        head.add_row(Text("no stage is at work" if status.found else "nothing has begun yet", style="dim"))
    room = max(3, height - 16)
    shown = status.found[-room:]
    title = f"{status.task}: success per round"
    title += f" (the last {len(shown)} of {len(status.found)} rows)" if len(shown) < len(status.found) else ""
    last = reasons(shown)[-1:]
    foot = Text(status.ending() + "\nCtrl-C ends watching; the loop goes on", style="dim")
    return Group(head, Text(), rows_table(shown, title), *last, foot)
