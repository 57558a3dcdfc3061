"""What people start from Prefect's UI: four flows with forms, run in processes of their own.

Each ends in a state whose message is one sentence, and its run is renamed after its result. A user's
mistake ends as `Failed`, a workspace that another run holds as `Skipped`; neither shows a traceback.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import CancelledRun, FailedRun
from prefect.states import Cancelled, Completed, Failed

from ...datasets.errors import PacloopError
from ...loop.errors import InUse
from ...loop.injection.fetch import fetch_recording, recorded_url
from ...loop.injection.inject import Request, inject
from ...loop.stages.evaluate import compare, compared, measure
from ...loop.stages.round import next_round
from ...loop.workspace.config import Gate, Improve
from ...loop.workspace.lease import hold
from ...loop.workspace.workspace import Workspace
from ..cli.dataset import user
from ..pages.success import comparison_page, evaluation_page, injection_page
from ..terminal import progress_bars
from .events import tell_change, tell_injection
from .forms import WORKSPACE, Episodes, Format, Minutes, Rounds, Target, Text, asked, told
from .improve import improve_with_prefect
from .rounds import close_dead_runs, publish, rename, session


def close_children(flow: Any, flow_run: FlowRun, state: State[Any]) -> None:
    """Prefect cancels the run that somebody cancelled, and not those it began: they would show `Running`.

    Where another run holds the workspace already, that one has seen to them.
    """
    place = flow_run.parameters["workspace"]
    with suppress(PacloopError), hold(Workspace.open(place)):
        close_dead_runs(place, Cancelled(message="the run that began it was cancelled"))


@flow(name="improve", flow_run_name="improve", log_prints=True, on_cancellation=[close_children])
def improve_flow(
    workspace: Text = told(WORKSPACE),
    rounds: Rounds = asked(Improve, "rounds", "Most rounds that this run adds."),
    until: Target = asked(Improve, "until", "Success the champion must reach; 0.93 is 93 %."),
    minutes: Minutes = asked(Improve, "minutes"),
    approve: bool = asked(Gate, "approve"),
) -> State[Any]:
    """Run rounds of collect, append, learn and gate. Each is a run of its own, named after its verdict."""

    def work() -> tuple[str, str]:
        total = next_round(Workspace.open(workspace)) - 1 + rounds
        with progress_bars() as progress:
            ended = improve_with_prefect(
                workspace, progress, rounds=total, until=until, minutes=minutes, approve=approve
            )
        reached = "reached" if ended.good else "not reached"
        return f"improve - success {ended.rate:.0%} - target {reached}", ended.text

    return _ended(work)


@flow(name="inject-demonstrations", flow_run_name="inject", log_prints=True)
def inject_flow(
    workspace: Text = told(WORKSPACE),
    path: Text = told(
        "File or folder with the episodes, on the machine that runs this, or a URL: https, s3, gs or az."
    ),
    format: Format = told("Format of the file; auto looks for itself.", "auto"),
    note: str = told("Why; it is kept with the episodes.", ""),
    who: str = told("Your name; it is kept with the episodes.", ""),
    strict: bool = told("Add nothing if any episode is bad.", False),
) -> State[Any]:
    """Check episodes from outside and add the good ones; the next round learns from them."""

    def work() -> tuple[str, str]:
        space = Workspace.open(workspace)
        url = recorded_url(path)
        with fetch_recording(path) as here, progress_bars() as progress:
            request = Request(here, format, note=note, by=who or user(), strict=strict, url=url)
            outcome = inject(space, request, progress)
        _leave("injection", injection_page(outcome, request))
        publish(space)
        tell_injection(space, outcome, request)
        added, bad = outcome.accepted if outcome.batches else 0, len(outcome.quarantined)
        said = f"{added} added, {outcome.duplicates} known, {bad} bad"
        if outcome.refused(strict=strict):
            raise PacloopError(f"nothing was added from {request.where}: {said}; the run's artifact says why")
        return f"inject {Path(request.where).name} - {said}", f"{request.where}: {said}"

    return _ended(work)


@flow(name="evaluate-policy", flow_run_name="evaluate", log_prints=True)
def evaluate_flow(
    workspace: Text = told(WORKSPACE),
    policy: str = told("Id of a policy, e.g. r001-pac; empty for the champion.", ""),
    episodes: Episodes = asked(
        Improve, "evaluation_episodes", "Fresh episodes to play; of each at most, where two are compared."
    ),
    against: str = told("Id of a policy to compare it with, as the gate does; empty for none.", ""),
    paired: bool = told("Compare the two on the same start states.", False),
) -> State[Any]:
    """Measure a policy on fresh episodes, or compare two; all are appended to the dataset."""

    def work() -> tuple[str, str]:
        if paired and not against:
            raise PacloopError("paired needs the other policy: fill in against")
        with progress_bars() as progress, session(workspace, progress) as ours:
            if against:
                outcome = compare(
                    ours.space,
                    ours.pool,
                    progress,
                    policy=policy or None,
                    against=against,
                    episodes=episodes,
                    paired=paired,
                )
                _leave("evaluation", comparison_page(ours.space, outcome))
                said = f"{outcome['policy']} against {against} - {outcome['decision']}"
                return f"evaluate {said}", compared(outcome)
            outcome = measure(ours.space, ours.pool, progress, policy=policy or None, episodes=episodes)
            _leave("evaluation", evaluation_page(ours.space, outcome))
        result = f"success {outcome['rate']:.0%} of {outcome['episodes']}"
        return f"evaluate {outcome['policy']} - {result}", f"{outcome['policy']}: {result}"

    return _ended(work)


@flow(name="rollback", flow_run_name="rollback", log_prints=True)
def rollback_flow(
    workspace: Text = told(WORKSPACE),
    reason: Text = told("Why; it is kept on record."),
    who: str = told("Your name; it is kept on record.", ""),
) -> State[Any]:
    """Put the champion before this one in force again."""

    def work() -> tuple[str, str]:
        space = Workspace.open(workspace)
        by = who or user()
        before, after = space.registry.rollback(reason=reason, by=by)
        publish(space)
        tell_change(space, "rolled-back", before, after, reason, by)
        return f"rollback {before} to {after}", f"champion: {before} -> {after}"

    return _ended(work)


def _ended(work: Callable[[], tuple[str, str]]) -> State[Any]:
    """Do the work, which gives the run's new name and a sentence; the state the run ends in."""
    for name in ("prefect.flow_runs", "prefect.engine"):
        logging.getLogger(name).addFilter(_is_news)
    try:
        name, said = work()
    except InUse as error:
        get_run_logger().warning("skipped: %s", error)
        return State(type=StateType.CANCELLED, name="Skipped", message=str(error))
    except PacloopError as error:
        get_run_logger().error("%s", error)
        return Failed(message=str(error))
    rename(name)
    get_run_logger().info("%s", said)
    return Completed(message=said)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a record says more than that the run ended in the state which `_ended` chose for it.

    Prefect's engine logs the traceback of an exception that it makes of such a state.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], CancelledRun | FailedRun))


def _leave(key: str, markdown: str) -> None:
    create_markdown_artifact(markdown, key=key)
