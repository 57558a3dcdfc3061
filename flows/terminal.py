"""What the terminal shows: progress bars while work goes on, tables and one-line errors otherwise."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..datasets.errors import PacloopError
from ..loop.progress import Progress, silent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ..loop.views.rounds import Row

QUIET_SEC = 15.0
"""Where there is no terminal, a line of progress at most so often."""

NUMBERS = ("round", "episodes", "steps", "rows", "success", "score", "seed", "excluded", "n", "seconds")
"""Columns that stand right."""
COLORS = {"promoted": "green", "rejected": "red", "undecided": "yellow"}


@contextmanager
def progress_bars(quiet: bool = False) -> Iterator[Progress]:
    """Progress with rate and time left on a terminal; a line now and then elsewhere, or none."""
    if quiet or not sys.stdout.isatty():
        yield silent if quiet else _Lines()
        return
    from rich import progress as rich

    columns = (
        rich.SpinnerColumn(),
        rich.TextColumn("{task.description:<11}", markup=False),
        rich.BarColumn(bar_width=28),
        rich.MofNCompleteColumn(),
        rich.TimeElapsedColumn(),
        rich.TextColumn("left"),
        rich.TimeRemainingColumn(),
        rich.TextColumn("{task.fields[note]}", markup=False),
    )
    with rich.Progress(*columns) as bars:
        tasks: dict[str, rich.TaskID] = {}

        def report(what: str, done: int, total: int, note: str) -> None:
            task = tasks.get(what)
            if task is None or bars.tasks[bars.task_ids.index(task)].completed > done:
                tasks[what] = task = bars.add_task(what, total=total, note=note)
            bars.update(task, completed=done, total=total, note=note)

        yield report


class _Lines:
    """Progress for logs: when something begins, every now and then, and when it ends."""

    def __init__(self) -> None:
        self._begun: dict[str, tuple[float, int]] = {}
        self._printed = time.monotonic()

    def __call__(self, what: str, done: int, total: int, note: str) -> None:
        now = time.monotonic()
        begun, first = self._begun.setdefault(what, (now, done))
        if done < total and now - self._printed < QUIET_SEC:
            return
        self._printed = now
        rate = (done - first) / (now - begun) if now > begun else 0.0
        left = f", {(total - done) / rate:.0f} s left" if rate > 0 and done < total else ""
        print(f"{what:<11} {done}/{total}  {note}{left}", flush=True)
        if done >= total:
            del self._begun[what]


def sentence(error: BaseException) -> str:
    """An error in one line, with where the rest of it is."""
    text = " ".join(str(error).splitlines()) if isinstance(error, PacloopError) else _last_line(error)
    return "; ".join([text, *getattr(error, "__notes__", ())])


def _last_line(error: BaseException) -> str:
    """What it says, without the traceback that some libraries put into their errors."""
    kind, lines = type(error).__name__, str(error).strip().splitlines()
    return lines[-1] if len(lines) > 1 else f"{kind}: {error}"


def console(width: int = 110) -> "Console":
    """Where tables are printed: as wide as the terminal, or `width` where there is none.

    Names stand there as they are, whatever markup they look like.
    """
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else width, markup=False, emoji=False)


def print_json(data: Any) -> None:
    """Print data for scripts."""
    print(json.dumps(data, indent=2))


def print_rows(rows: "Sequence[Row]", title: str) -> None:
    """The rounds so far as a table, and the reason of each verdict."""
    screen = console()
    screen.print(rows_table(rows, title))
    for reason in reasons(rows):
        screen.print(reason)


def rows_table(rows: "Sequence[Row]", title: str) -> "Table":
    """The rounds so far as a table."""
    from rich.text import Text

    lines = [
        {
            "": row.name,
            "success": row.success,
            "95 % interval": "{:·<12} {:.0%} to {:.0%}".format("█" * round(row.rate * 12), *row.interval),
            "n": row.n,
            "verdict": Text(row.verdict, style=COLORS.get(row.verdict, "")),
            "episodes": row.episodes,
            "seconds": f"{row.seconds:.0f}",
        }
        for row in rows
    ]
    return table(lines, title)


def table(rows: Sequence[Mapping[str, Any]], title: str | None = None) -> "Table":
    """Rows of the same keys; the column `excluded` only where something is."""
    from rich.table import Table
    from rich.text import Text

    grid = Table(title=title, title_justify="left", title_style="bold")
    names = [name for name in (rows or [{}])[0] if name != "excluded" or any(row[name] for row in rows)]
    for name in names:
        grid.add_column(name, justify="right" if name in NUMBERS else "left", overflow="fold")
    for row in rows:
        values = ("" if row[name] is None else row[name] for name in names)
        grid.add_row(*(value if isinstance(value, Text) else str(value) for value in values))
    return grid


def reasons(rows: "Sequence[Row]") -> "list[Text]":
    """Why each verdict was given."""
    from rich.text import Text

    return [Text(f"{row.name}: {row.reason}", style="dim") for row in rows if row.reason]
