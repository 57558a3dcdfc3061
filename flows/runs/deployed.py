"""What people start from Prefect's UI: four flows with forms, run in processes of their own.

Each ends in a state whose message is one sentence, and its run is renamed after its result. A user's
mistake ends as `Failed`, a workspace that another run holds as `Skipped`, like a run that is long overdue;
none shows a traceback.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.context import FlowRunContext
from prefect.exceptions import CancelledRun, FailedRun
from prefect.states import Cancelled, Completed, Failed

from ...datasets.errors import PacloopError
from ...loop.errors import InUse, Withdrawn
from ...loop.injection.fetch import fetch_recording, without_secrets
from ...loop.injection.inject import Request, inject
from ...loop.stages.evaluate import compare, compared, measure
from ...loop.views.rounds import rows
from ...loop.workspace.lease import hold
from ...loop.workspace.workspace import Workspace
from ..pages.publishing import publish
from ..pages.render import markdown
from ..terminal import progress_bars, sentence
from .dead import close_dead_runs
from .events import emit_change, emit_injection
from .forms import AS_THE_FILE, ON_A_FORM, Approve, Episodes, Format, Minutes, Recording, Rounds, Target, Text
from .improve import improve_with_prefect
from .plan import open_to_change, open_workspace
from .rounds import rename
from .session import session

P = ParamSpec("P")

OVERDUE_SEC = 600.0
"""A run of a schedule that begins so much later was due while nobody served the workspace."""


class Overdue(PacloopError):
    """Nobody was there when a run became due, and somebody else may be there now."""


def close_children(flow: Any, flow_run: FlowRun, state: State[Any]) -> None:
    """Prefect cancels the run that somebody cancelled, and not those it began: they would show `Running`.

    Where another run holds the workspace already, that one has seen to them.
    """
    with suppress(PacloopError), hold(space := Workspace.open(flow_run.parameters["workspace"])):
        close_dead_runs(space, Cancelled(message="the run that began it was cancelled"))


def ends_in_a_sentence(work: Callable[P, tuple[str, str]]) -> Callable[P, State[Any]]:
    """A flow's function of work that gives the run's new name and a sentence; returns the state to end in."""

    @wraps(work)
    def ending(*args: P.args, **kwargs: P.kwargs) -> State[Any]:
        for name in ("prefect.flow_runs", "prefect.engine"):
            logging.getLogger(name).addFilter(_says_more)
        try:
            name, text = work(*args, **kwargs)
        except (InUse, Overdue) as error:
            get_run_logger().warning("skipped: %s", error)
            return State(type=StateType.CANCELLED, name="Skipped", message=str(error))
        except Withdrawn as error:
            return Cancelled(message=str(error))
        except Exception as error:
            if not (isinstance(error, PacloopError) or hasattr(error, "__notes__")):
                raise
            get_run_logger().error("%s", sentence(error))
            return Failed(message=sentence(error))
        rename(name)
        get_run_logger().info("%s", text)
        return Completed(message=text)

    return ending


def check_due() -> None:
    """Raise Overdue where this is a run of a schedule and its time is long over; a person's run never is."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None or not run.auto_scheduled or run.expected_start_time is None:
        return
    late_sec = (datetime.now(UTC) - run.expected_start_time).total_seconds()
    if late_sec > OVERDUE_SEC:
        raise Overdue(f"it was due {late_sec / 60:.0f} minutes ago, when nobody could play it")


@flow(name="improve", flow_run_name="improve", log_prints=True, on_cancellation=[close_children])
@ends_in_a_sentence
def improve_flow(
    workspace: Text,
    rounds: Rounds = None,
    until: Target = None,
    minutes: Minutes = None,
    approve: Approve = AS_THE_FILE,
) -> tuple[str, str]:
    """Run rounds of collect, append, learn and gate. Each is a run of its own, named after its verdict.

    What is empty is as pacloop.toml says when the run begins.

    Args:
      workspace: Folder of the run, on the machine that serves it, or its URL. Leave it as it is.
      rounds: Most rounds that this run adds.
      until: Success the champion must reach; 0.93 is 93 %.
      minutes: No round begins after so long; 0 is no limit.
      approve: Whether a person must approve each promotion.
    """
    if isinstance(approve, bool):
        raise PacloopError(
            "this deployment was registered by an earlier pacloop and holds the settings of that time: "
            "start `pacloop serve` again, or run `pacloop deploy` again"
        )
    check_due()
    asked = {"yes": True, "no": False}.get(approve)
    space = open_workspace(workspace, rounds=rounds, until=until, minutes=minutes, approve=asked)
    with progress_bars() as progress:
        improved, _, text = improve_with_prefect(space, progress)
    reached = "reached" if improved.good else "not reached"
    return f"improve - success {improved.final.rate:.0%} - target {reached}", text


@flow(name="inject-demonstrations", flow_run_name="inject", log_prints=True)
@ends_in_a_sentence
def inject_flow(
    workspace: Text,
    path: Recording,
    format: Format = "auto",
    note: str = "",
    who: str = "",
    strict: bool = False,
) -> tuple[str, str]:
    """Check episodes from outside and add the good ones; the next round learns from them.

    Args:
      workspace: Folder of the run, on the machine that serves it, or its URL. Leave it as it is.
      path: File or folder with the episodes, on the machine that runs this, or a URL: https, s3, gs or az,
        without a password or a signature: `pacloop inject` takes those, and keeps neither.
      format: Format of the file; auto looks for itself.
      note: Why; it is kept with the episodes.
      who: Your name; it is kept with the episodes.
      strict: Add nothing if any episode is bad.
    """
    if "://" in path and without_secrets(path) != path:
        raise PacloopError("a URL with a password or a query may be secret: inject it in a terminal")
    space = open_to_change(workspace)
    with fetch_recording(path) as (local, url), progress_bars() as progress:
        request = Request(local, format, note=note, by=who or ON_A_FORM, strict=strict, url=url)
        outcome = inject(space, request, progress)
    page = markdown("injection.md.j2", outcome=outcome, request=request)
    create_markdown_artifact(page, key="injection")
    publish(space)
    emit_injection(space, outcome, request)
    added, bad = outcome.accepted if outcome.batches else 0, len(outcome.quarantined)
    counts = f"{added} added, {outcome.duplicates} known, {bad} bad"
    if outcome.refused(strict=strict):
        raise PacloopError(f"nothing was added from {outcome.path}: {counts}; the run's artifact says why")
    return f"inject {Path(outcome.path).name} - {counts}", f"{outcome.path}: {counts}"


@flow(name="evaluate-policy", flow_run_name="evaluate", log_prints=True)
@ends_in_a_sentence
def evaluate_flow(
    workspace: Text,
    policy: str = "",
    episodes: Episodes = None,
    against: str = "",
    paired: bool = False,
) -> tuple[str, str]:
    """Measure a policy on fresh episodes, or compare two; all are appended to the dataset.

    Args:
      workspace: Folder of the run, on the machine that serves it, or its URL. Leave it as it is.
      policy: Id of a policy, e.g. r001-pac; empty for the champion.
      episodes: Fresh episodes to play, of each at most where two are compared; as pacloop.toml says if empty.
      against: Id of a policy to compare it with, as the gate does; empty for none.
      paired: Compare the two on the same start states.
    """
    if paired and not against:
        raise PacloopError("paired needs the other policy: fill in against")
    space = Workspace.open(workspace)
    episodes = episodes or space.config.improve.evaluation_episodes
    one = {"policy": policy or None, "episodes": episodes}
    with progress_bars() as progress, session(space, progress) as opened:
        if against:
            outcome = compare(opened, **one, against=against, paired=paired)
            name = f"evaluate {outcome.candidate} against {against} - {outcome.decision}"
            template, text = "comparison.md.j2", compared(space, outcome)
        else:
            outcome = measure(opened, **one)
            result = f"success {outcome.rate:.0%} of {outcome.episodes}"
            name = f"evaluate {outcome.policy} - {result}"
            template, text = "evaluation.md.j2", f"{outcome.policy}: {result}"
        page = markdown(template, space=space, outcome=outcome, sentence=text, rows=rows(space))
        create_markdown_artifact(page, key="evaluation")
    return name, text


@flow(name="rollback", flow_run_name="rollback", log_prints=True)
@ends_in_a_sentence
def rollback_flow(workspace: Text, reason: Text, who: str = "") -> tuple[str, str]:
    """Put the champion before this one in force again.

    Args:
      workspace: Folder of the run, on the machine that serves it, or its URL. Leave it as it is.
      reason: Why; it is kept on record.
      who: Your name; it is kept on record.
    """
    space = open_to_change(workspace)
    by = who or ON_A_FORM
    before, after = space.registry.rollback(reason=reason, by=by)
    publish(space)
    emit_change(space, "rolled-back", before, after, reason, by)
    return f"rollback {before} to {after}", f"champion: {before} -> {after}"


def _says_more(record: logging.LogRecord) -> bool:
    """Whether a record says more than that the run ended in the state that was chosen for it.

    Prefect's engine logs the traceback of an exception that it makes of such a state.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], CancelledRun | FailedRun))
