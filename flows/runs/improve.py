"""`pacloop improve`: the loop's rounds, each a Prefect flow run in this process."""

import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from ...loop.progress import Progress
from ...loop.stages.improve import Improved, Play, check_start, improve, play_directly
from ...loop.workspace.workspace import Workspace
from ..environment import this_command

if TYPE_CHECKING:
    from ...loop.episodes.play import Session
    from ...loop.views.rounds import Row

LOGS_SEC = 5.0
"""So long a server that stops is given for the last of the log."""


def improve_with_prefect(space: Workspace, progress: Progress) -> "tuple[Improved, list[Row], str]":
    """Improve a workspace as its settings say; returns how it ended, what is measured, and both in words."""
    begun = time.monotonic()
    check_start(space)  # simulators and servers take a while to start
    from prefect.logging.handlers import APILogWorker

    from ...loop.views.rounds import rows
    from ..server.start import some_api
    from .dead import close_dead_runs
    from .session import PAGES, session

    with session(space, progress) as opened, some_api(), ExitStack() as last:
        last.callback(APILogWorker.drain_all, timeout=LOGS_SEC)
        settings = space.config.improve
        close_dead_runs(space)
        improved = improve(space, _player(opened), rounds=settings.rounds, minutes=settings.minutes)
        for page in PAGES:
            page.join()
    text = f"stopped after {(time.monotonic() - begun) / 60:.1f} minutes: {improved.why}\n"
    measured = rows(space)
    text += _result(space, improved, measured)
    return improved, measured, f"{text}\n{_next_steps(space.place, improved)}"


def _player(session: "Session") -> Play:
    """Plays each part as a flow, and without Prefect where its API stays away."""
    from .fallback import with_fallback
    from .rounds import play as play_as_flow

    address, directly = session.space.address, play_directly(session)

    def play(part: str, *arguments: Any) -> Any:
        flow = partial(play_as_flow, part, address)
        return with_fallback(session.space, flow, partial(directly, part))(*arguments)

    return play


def _result(space: Workspace, improved: Improved, measured: "list[Row]") -> str:
    """What came out and where it is; writes the curve into the workspace."""
    from ...datasets.files import write_bytes_atomically
    from ...loop.views.curve import curve, png

    path = space.folder / "curve.png"
    write_bytes_atomically(path, png(curve(space, measured)))
    final, (low, high) = improved.final, improved.final.interval
    target = f"target {space.config.improve.until:.0%}: {'reached' if improved.good else 'NOT reached'}"
    return (
        f"champion {final.policy}: {final.rate:.1%} of {final.episodes} fresh episodes "
        f"(95 %: {low:.1%} to {high:.1%}), {target}\n"
        f"workspace {space.place}   dataset {space.dataset}   "
        f"champion's weights {space.place}/policies/{final.policy}   curve {path}"
    )


def _next_steps(place: str, improved: Improved) -> str:
    """Commands that lead on, as they work from where the user stands."""
    from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

    url = str(PREFECT_UI_URL.value() or PREFECT_API_URL.value() or "").removesuffix("/api")
    steps = {
        "the whole run as one page": this_command("report --open", place),
        "the rounds in Prefect's UI": url or this_command("serve", place),
    }
    if not improved.good:
        steps["go on"] = this_command("improve", place)
    return "\n".join(f"{step + ':':<27} {command}" for step, command in steps.items())
