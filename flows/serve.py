"""`pacloop serve`: Prefect's UI for a workspace, with forms and a schedule, until Ctrl-C."""

import asyncio
import re
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from .dataset_commands import HERE, Approve, WorkspaceOption

if TYPE_CHECKING:
    from prefect.runner import Runner

    from .deployments import Wanted

STOP_SEC = 30.0
"""Deadline for runs to end after an interrupt."""


def serve(
    every: Annotated[str | None, typer.Option(help="Improve every so often: 30m, 6h, 1d.")] = None,
    cron: Annotated[
        str | None, typer.Option(help="Improve at these times, UTC: '0 2 * * *' is every night at two.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Most rounds that each run adds.")] = None,
    until: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Success to reach.")] = None,
    approve: Approve = None,
    name: Annotated[str, typer.Option(help="Tells this workspace from others; its folder's name.")] = "",
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Of the server, on loopback.")] = None,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Open the loop in Prefect's UI: watch rounds, fill in forms, improve on a schedule; Ctrl-C ends it.

    Uses the Prefect server that is configured or runs on the port, and starts one otherwise.
    """
    from ..loop.config import with_target
    from ..loop.workspace import Workspace
    from .schedule import timetable
    from .server import prefect_server

    begun, space = time.monotonic(), Workspace.open(workspace)
    settings = space.config.improve
    until = settings.until if until is None else with_target(space.config, until).improve.until
    when = timetable(every, cron)
    with prefect_server(port) as (url, own):
        from .deployments import Wanted, check_name

        called = _name(name or space.folder.resolve().name)
        approve = space.config.gate.approve if approve is None else approve
        wanted = Wanted(space, called, settings.rounds if rounds is None else rounds, until, approve, when)
        check_name(wanted)
        _run(wanted, url.removesuffix("/api"), begun)
        print("the Prefect server is stopped" if own else f"the Prefect server at {url} goes on", flush=True)


def _run(wanted: "Wanted", site: str, begun: float) -> None:
    """Serve the deployments until an interrupt; runs that go on are stopped with it."""
    from prefect.runner import Runner

    from .deployments import deployments

    runner = Runner(name=f"pacloop-{wanted.name}", pause_on_shutdown=True)
    made = deployments(wanted)
    for deployment in made:
        runner.add_deployment(deployment)
    print(f"{wanted.folder} is served at {site}, ready in {time.monotonic() - begun:.0f} s:")
    print(*(f"  {d.flow_name:<22} {d.name}" for d in made), sep="\n")
    when = f"runs {wanted.timetable}" if wanted.timetable else "runs when somebody starts it"
    asking = ", and asks a person before each promotion" if wanted.approve else ""
    print(f"improve {when}, at most {wanted.rounds} rounds each time, until {wanted.until:.0%}{asking}")
    print(f"forms: {site}/deployments   runs: {site}/runs   Ctrl-C stops all of it", flush=True)
    asyncio.run(_until_interrupt(runner))
    print("\nstopped; what was finished is kept", flush=True)
    if wanted.timetable:
        print("the schedule is paused; the same command takes it up again", flush=True)


async def _until_interrupt(runner: "Runner") -> None:
    """Serve until SIGINT or SIGTERM, then let the runs end before the runner does.

    The runner kills what still goes on, which would leave Ray's processes behind and runs `Running`.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def interrupt(*_: object) -> None:
        loop.call_soon_threadsafe(stop.set)

    runner.handle_sigterm = interrupt
    loop.add_signal_handler(signal.SIGINT, stop.set)
    serving, stopped = asyncio.create_task(runner.start()), asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        for run in list(runner._process_manager._process_map.values()):
            with suppress(ProcessLookupError):
                run.graceful_kill()
        until = time.monotonic() + STOP_SEC
        while runner._process_manager._process_map and time.monotonic() < until:
            await asyncio.sleep(0.2)
        serving.cancel()
    stopped.cancel()
    with suppress(asyncio.CancelledError):
        await serving


def _name(text: str) -> str:
    """Letters, digits, dots and dashes: what a deployment's name may hold."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-") or "workspace"
