"""`pacloop serve` and `deploy`: a workspace in Prefect, with forms and a schedule."""

import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from ..environment import DEFAULTS, kept_string, program, string_file
from .options import HERE, Approve, Cron, Every, Name, Port, Rounds, Until, WorkspaceOption

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment
    from prefect.runner import Runner

    from ..runs.plan import Plan

STOP_SEC = 30.0
"""Deadline for runs to end after an interrupt."""


def serve(
    every: Every = None,
    cron: Cron = None,
    rounds: Rounds = None,
    until: Until = None,
    approve: Approve = None,
    name: Name = "",
    port: Port = None,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Open the loop in Prefect's UI: forms, schedule, a run a round.

    Uses the Prefect server that is configured or runs on the port, and starts
    one otherwise. Ctrl-C ends it.
    """
    from ..runs.plan import make_plan
    from ..server.start import prefect_server

    begun = time.monotonic()
    plan = make_plan(
        workspace, every=every, cron=cron, rounds=rounds, until=until, approve=approve, name=name
    )
    with prefect_server(port, meanwhile=_import_flows) as (url, own):
        _serve(plan, url, begun)
        print("the Prefect server is stopped" if own else f"the Prefect server at {url} goes on", flush=True)


def deploy(
    pool: Annotated[str, typer.Option(help="Work pool of the type `process`.")],
    every: Every = None,
    cron: Cron = None,
    rounds: Rounds = None,
    until: Until = None,
    approve: Approve = None,
    name: Name = "",
    port: Port = None,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Register the loop with Prefect's workers, on a schedule.

    Its deployments go to a work pool, and a Prefect worker runs them. The
    worker must run where pacloop is, and the workspace, unless that is in a
    bucket.
    """
    from ..runs.plan import make_plan
    from ..server.start import prefect_server

    plan = make_plan(
        workspace, every=every, cron=cron, rounds=rounds, until=until, approve=approve, name=name
    )
    with prefect_server(port, start=False) as (url, _):
        from ..runs.deployments import check_name, check_pool, deployments, pause_registered

        registered = deployments(plan)
        check_name(plan, registered)
        check_pool(pool)
        pause_registered(registered)
        for deployment in registered:
            deployment.job_variables = {"env": DEFAULTS}
            deployment.apply(work_pool_name=pool)
    site = url.removesuffix("/api")
    _print_deployments(plan, registered, f"is registered with pool {pool} at {site}:")
    print(f"a worker runs them: {program('prefect')} worker start --pool {pool}", flush=True)


def _import_flows() -> None:
    """Takes seconds, as a server's start does: on two cores, both at once take little longer."""
    from ..runs import deployments  # noqa: F401


def _print_deployments(plan: "Plan", deployments: "list[RunnerDeployment]", headline: str) -> None:
    print(plan.space.address, headline)
    print(*(f"  {d.flow_name:<22} {d.name}" for d in deployments), plan.sentence(), sep="\n")


def _print_way_in(url: str) -> None:
    """How a browser gets in where the server asks for a string: a terminal may show it, a log may not."""
    from ..server.guard import ENTRANCE

    string = kept_string(url)
    if string and sys.stdout.isatty():
        site = url.removesuffix("/api")
        print(f"a browser is let in by this address, opened once: {site}{ENTRANCE}#{string}")
    elif string:
        print(f"a browser asks once for the string in {string_file(url)}")
    sys.stdout.flush()


def _serve(plan: "Plan", url: str, begun: float) -> None:
    """Serve the deployments until an interrupt; runs that go on are stopped with it."""
    import asyncio

    from prefect.runner import Runner

    from ..pages.publishing import key_of
    from ..runs.deployments import check_name, deployments, pause_registered
    from ..server.ask import ui_address

    registered = deployments(plan)
    check_name(plan, registered)
    if pause_registered(registered):
        print("somebody else serves it, or did a minute ago: whoever of you ends pauses the other's schedule")
    runner = Runner(name=f"pacloop-{plan.name}", pause_on_shutdown=True)
    for deployment in registered:
        runner.add_deployment(deployment)
    headline = f"is served at {url.removesuffix('/api')}, ready in {time.monotonic() - begun:.0f} s:"
    _print_deployments(plan, registered, headline)
    ui = ui_address(url)
    print(f"success per round: {ui}/artifacts/key/{key_of(plan.space)}")
    print(f"forms: {ui}/deployments   runs: {ui}/runs   Ctrl-C stops all of it")
    _print_way_in(url)
    paused = asyncio.run(_until_interrupt(runner))
    print("\nstopped; what was finished is kept", flush=True)
    if not paused:
        print("the server does not answer: its schedules wait for somebody who serves them", flush=True)
    elif plan.timetable:
        print("the schedule is paused; the same command takes it up again", flush=True)


async def _until_interrupt(runner: "Runner") -> bool:
    """Serve until SIGINT or SIGTERM, then let the runs end before the runner does.

    The runner kills what still goes on, which would leave Ray's processes behind and runs `Running`.
    Returns whether it paused its schedules, which it does last, and cannot where the server is gone.
    """
    import asyncio

    from httpx import TransportError

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
    try:
        await serving
    except asyncio.CancelledError:
        return True
    except TransportError:
        return False
    return True
