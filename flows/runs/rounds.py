"""The Prefect flows: one run a round, four coarse tasks in it, and what the UI shows of them.

The flows call the loop's stages and know nothing of what happens inside them. They run in the
process that called them, in whose session are the lease and the collectors.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from contextvars import copy_context
from functools import wraps
from threading import Thread
from typing import Any, ParamSpec

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import CancelledRun
from prefect.runtime import flow_run
from prefect.states import Cancelled

from ...loop.errors import Withdrawn
from ...loop.stages.approval import Look
from ...loop.stages.question import Question
from ...loop.stages.question import question as open_question
from ...loop.stages.round import run_final, run_round, run_start
from ...loop.workspace.records import Measured, R, Raced, Reached
from ...loop.workspace.verdict import Verdict
from ...loop.workspace.workspace import Workspace
from ..pages.publishing import publish, publish_round
from .approval_form import form
from .events import emit_verdict
from .session import PAGES, SESSION

P = ParamSpec("P")


def ends_withdrawn(work: Callable[P, R]) -> Callable[P, R | State]:
    """A flow's function whose run ends as cancelled where somebody cancelled it."""

    @wraps(work)
    def ending(*args: P.args, **kwargs: P.kwargs) -> R | State:
        try:
            return work(*args, **kwargs)
        except Withdrawn as error:
            return Cancelled(message=str(error))

    return ending


@flow(name="start", flow_run_name="start - demonstrations", validate_parameters=False)
@ends_withdrawn
def start_flow(workspace: str) -> Raced:
    """Round 0: learn the BC baseline and the first champion from the demonstrations."""
    del workspace  # Prefect shows it
    outcome = run_start(SESSION.get(), _run_as_task)
    rename(f"start - {outcome.policy}")
    publish(SESSION.get().space)
    return outcome


@flow(name="round", flow_run_name="round {number}", validate_parameters=False)
@ends_withdrawn
def round_flow(workspace: str, number: int) -> Verdict | Reached:
    """One round: collect, append, learn, gate. The run is renamed after what the gate said."""
    del workspace
    session = SESSION.get()
    verdict = run_round(session, number, _run_as_task, _ask)
    rename(round_name(number, verdict))
    get_run_logger().info("round %d: %s - %s", number, verdict.decision, verdict.reason)
    publish(session.space)
    emit_verdict(session.space, number, verdict)
    # Its films take seconds, in which the next round may begin.
    about = session.space, number, verdict
    page = Thread(target=copy_context().run, args=(publish_round, *about), daemon=True)
    page.start()
    PAGES.append(page)
    return verdict


@flow(name="final", flow_run_name="final - {policy}", validate_parameters=False)
@ends_withdrawn
def final_flow(workspace: str, number: int, policy: str) -> Measured:
    """Measure a champion once on seeds that no stage has seen."""
    del workspace
    outcome = run_final(SESSION.get(), number, policy, _run_as_task)
    rename(f"final - {policy} - success {outcome.rate:.0%} of {outcome.episodes}")
    publish(SESSION.get().space)
    return outcome


def play(part: str, *arguments: Any) -> Any:
    """Play a part of the loop as its flow; raises Withdrawn where somebody cancelled its run."""
    try:
        return FLOWS[part](*arguments)
    except CancelledRun as error:
        raise Withdrawn(str(error)) from None


FLOWS: dict[str, Callable[..., Any]] = {"start": start_flow, "round": round_flow, "final": final_flow}


def round_name(number: int, verdict: Verdict | Reached, decision: str = "") -> str:
    """How a round's run is called once its verdict is there, e.g. `round 3 - 61% in the gate - promoted`."""
    decision = decision or verdict.decision
    if isinstance(verdict, Reached) or not verdict.candidate_n:  # the candidate was never played
        return f"round {number} - {decision}"
    return f"round {number} - {verdict.candidate_rate:.0%} in the gate - {decision}"


def rename(name: str) -> None:
    """Rename the current flow run, so that Prefect's lists read as the improvement itself."""
    with suppress(Exception), get_client(sync_client=True) as client:
        client.update_flow_run(flow_run.get_id(), name=name)  # pyright: ignore[reportArgumentType]


def _ask(space: Workspace, question: Question) -> AbstractContextManager[Look]:
    """Ask on the round's page, and say so in its name, unless a terminal has answered already."""
    if open_question(space):
        rename(round_name(question.round, question.judged, "waits for approval"))
        get_run_logger().info("%s, or on this run's page: Resume", question.sentence())
        emit_verdict(space, question.round, question.judged, "waits")
    return form(space, question)


def _run_as_task(name: str, stage: Callable[[], R]) -> R:
    def run() -> R:
        outcome = stage()
        get_run_logger().info("%s: %s", name, outcome.figures_shown())
        return outcome

    return task(name=name, task_run_name=name, cache_policy=NO_CACHE, persist_result=False)(run)()
