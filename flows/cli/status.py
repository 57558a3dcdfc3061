"""`pacloop status`: the rounds so far, and what goes on now; once, or again and again."""

import json
import sys
import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from ..runs.plan import open_workspace
from ..terminal import console, print_json, print_rows, reasons, rows_table
from .options import HERE, JsonOption, WorkspaceOption

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ...loop.views.status import Status
    from ...loop.workspace.workspace import Workspace


def status(
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again and again, until Ctrl-C; with --json a line each.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks of --watch.")] = 2.0,
) -> None:
    """Show the rounds so far, their verdicts, and what goes on."""
    from ...loop.views.status import read_status

    space = open_workspace(workspace)
    if watch:
        _watch(space, every, as_json)
    elif as_json:
        print_json(read_status(space).to_json())
    else:
        print_status(read_status(space))
        _print_unknown(space.config.task)


def _print_unknown(task: str) -> None:
    """Say so where the task is none that is known here; another machine may play it."""
    from ...actors.registry import TaskError, check_name

    try:
        check_name(task)
    except TaskError as error:
        print(f"on this machine {error}")


def _watch(space: "Workspace", every_sec: float, as_json: bool) -> None:
    """Show the status every so often until Ctrl-C: on a terminal in place, else a line for each change."""
    from rich.live import Live

    from ...loop.views.status import read_status

    on_terminal = sys.stdout.isatty() and not as_json
    screen = Live(console=console(), screen=True, auto_refresh=False) if on_terminal else nullcontext()
    current, line = read_status(space), ""
    with screen as live, suppress(KeyboardInterrupt):
        while True:
            before, line = line, json.dumps(current.to_json()) if as_json else _line(current)
            if live:
                live.update(_page(current, live.console.height), refresh=True)
            elif as_json or line != before:
                print(line, flush=True)
            time.sleep(every_sec)
            space.pull()
            current = read_status(space, current)
    if on_terminal:
        print_status(current)


def print_status(status: "Status") -> None:
    """Print it once."""
    print_rows(status.rows, f"{status.task}: success per round")
    if status.now and status.at_work:
        print(status.now.sentence())
    print(status.summary())


def _line(status: "Status") -> str:
    line = status.now.sentence() if status.now else "nothing has begun that has not ended"
    return f"{line}; at work: {status.at_work or 'nobody'}"


def _page(status: "Status", height: int) -> "RenderableType":
    """All that fits on the screen: what goes on, the last rows, the last verdict's reason."""
    from rich.console import Group
    from rich.text import Text

    rows = status.rows[-max(3, height - 16) :]
    title = f"{status.task}: success per round"
    title += f" (the last {len(rows)} of {len(status.rows)} rows)" if len(rows) < len(status.rows) else ""
    foot = Text(status.summary() + "\nCtrl-C ends watching; the loop goes on", style="dim")
    return Group(*_stage_at_work(status), Text(), rows_table(rows, title), *reasons(rows)[-1:], foot)


def _stage_at_work(status: "Status") -> "list[RenderableType]":
    """What goes on, with a bar where its end is known."""
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    if status.now is None:
        return [Text("no stage is at work" if status.rows else "nothing has begun yet", style="dim")]
    idle = "" if status.at_work else "  (nobody is at work on it)"
    line = Text(status.now.sentence() + idle, style="bold")
    total = status.now.total
    return [line, ProgressBar(total, status.now.done, width=60)] if total else [line]
