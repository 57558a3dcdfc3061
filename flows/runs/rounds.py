"""The Prefect flows: one run a round, four coarse tasks in it, and what the UI shows of them.

The flows call the loop's stages and know nothing of what happens inside them. They run in the
process that called them, so the collectors and the lease belong to it; a flow that finds no session
opens one of its own, as a deployment's run does.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from threading import Thread
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import CancelledRun
from prefect.runtime import flow_run
from prefect.states import Cancelled, Crashed

from ...loop.episodes.play import Pool
from ...loop.errors import Withdrawn
from ...loop.progress import Progress, silent
from ...loop.stages.approval import Look, Question
from ...loop.stages.round import run_final, run_round, run_start
from ...loop.workspace.config import with_approval, with_target
from ...loop.workspace.lease import hold
from ...loop.workspace.records import Measured, R, Raced, Reached
from ...loop.workspace.verdict import Verdict
from ...loop.workspace.workspace import Place, Workspace, address_of
from ..pages.publishing import publish, publish_round
from .approval import form
from .events import tell_question, tell_verdict
from .progress import Live


@dataclass(frozen=True)
class Session:
    """What flows of one process share.

    Attributes:
      space: the workspace, whose lease this process holds.
      pool: gives the collectors.
      progress: told what goes on.
      pages: those of rounds that have ended and are still being made.
    """

    space: Workspace
    pool: Pool
    progress: Progress
    pages: list[Thread] = field(default_factory=list)


LEASELESS = ("inject", "rollback")
"""First words of the runs that go on beside whoever holds the workspace."""

_session: Session | None = None


@contextmanager
def session(
    place: Place, progress: Progress = silent, until: float | None = None, approve: bool | None = None
) -> Iterator[Session]:
    """Hold a workspace for the flows of this process: its lease, and collectors once they are needed.

    Raises InUse where another process holds it. `until` and `approve` replace what its settings say.
    """
    global _session
    space = Workspace.open(place)
    if until is not None:
        space = replace(space, config=with_target(space.config, until))
    if approve is not None:
        space = replace(space, config=with_approval(space.config, approve))
    pools: list[Any] = []

    def pool() -> Any:
        from ...actors.rollout.collector import CollectorPool

        if not pools:
            settings = space.config.collect
            pools.append(
                CollectorPool(
                    space.config.task,
                    actors=settings.actors,
                    environments=settings.environments,
                    deadline_sec=settings.deadline_sec,
                )
            )
        return pools[0]

    with hold(space, progress):
        space.store.clean()
        live = Live(progress)
        _session = Session(space, pool, live)
        try:
            yield _session
            for page in _session.pages:
                page.join()
        finally:
            _session = None
            live.close()
            for opened in pools:
                opened.close()


@flow(name="start", flow_run_name="start - demonstrations", validate_parameters=False)
def start_flow(workspace: str) -> Raced:
    """Round 0: learn the BC baseline and the first champion from the demonstrations."""
    with _ours(workspace) as ours:
        outcome = run_start(ours.space, ours.pool, ours.progress, _run_as_task)
        rename(f"start - {outcome.policy}")
        publish(ours.space)
        return outcome


@flow(name="round", flow_run_name="round {number}", validate_parameters=False)
def round_flow(workspace: str, number: int) -> Verdict | Reached | State:
    """One round: collect, append, learn, gate. The run is renamed after what the gate said."""
    with _ours(workspace) as ours:
        try:
            verdict = run_round(ours.space, number, ours.pool, ours.progress, _run_as_task, _ask)
        except Withdrawn as error:
            return Cancelled(message=str(error))
        rename(round_name(number, verdict))
        get_run_logger().info("round %d: %s - %s", number, verdict.decision, verdict.reason)
        publish(ours.space)
        tell_verdict(ours.space, number, verdict)
        # Its films take seconds, in which the next round may begin.
        told = (publish_round, ours.space, number, verdict)
        page = Thread(target=copy_context().run, args=told, daemon=True)
        page.start()
        ours.pages.append(page)
        return verdict


def play_round(workspace: str, number: int) -> Verdict | Reached:
    """`round_flow`; raises Withdrawn where somebody cancelled its run instead of answering."""
    try:
        return round_flow(workspace, number)  # pyright: ignore[reportReturnType]
    except CancelledRun as error:
        raise Withdrawn(str(error)) from None


@flow(name="final", flow_run_name="final - {policy}", validate_parameters=False)
def final_flow(workspace: str, number: int, policy: str) -> Measured:
    """Measure a champion once on seeds that no stage has seen."""
    with _ours(workspace) as ours:
        outcome = run_final(ours.space, number, policy, ours.pool, ours.progress, _run_as_task)
        rename(f"final - {policy} - success {outcome.rate:.0%} of {outcome.episodes}")
        publish(ours.space)
        return outcome


def close_dead_runs(place: Place, state: State[Any] | None = None) -> None:
    """Mark runs of this workspace that a kill left `Running` as crashed, or as `state` says.

    Call it only under the workspace's lease: then whoever ran them is gone. The run that calls, and runs
    that need no lease, are left alone. It is the first to ask Prefect anything, so Prefect's embedded
    server, where there is no other, starts in it.
    """
    ours = flow_run.get_id()
    alive = [StateType.RUNNING, StateType.PENDING, StateType.PAUSED]
    unfinished = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=alive)))
    state = state or Crashed(message="its process died; the workspace went on from its last finished work")
    with suppress(Exception), deaf_children(), get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=unfinished):
            holds = run.name.partition(" ")[0] not in LEASELESS and str(run.id) != ours
            if holds and run.parameters.get("workspace") == address_of(place):
                client.set_flow_run_state(run.id, state, force=True)


@contextmanager
def deaf_children() -> Iterator[None]:
    """Processes that start meanwhile do not hear Ctrl-C.

    A terminal interrupts a whole process group. An embedded server that stops before the run has told it
    that it was interrupted leaves the run waiting for an answer for minutes.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def round_name(number: int, verdict: Verdict | Reached, decision: str = "") -> str:
    """How a round's run is called once its verdict is there, e.g. `round 3 - success 61% - promoted`."""
    decision = decision or verdict.decision
    if isinstance(verdict, Reached) or not verdict.candidate_n:  # the candidate was never played
        return f"round {number} - {decision}"
    return f"round {number} - success {verdict.candidate_rate:.0%} - {decision}"


def rename(name: str) -> None:
    """Rename the current flow run, so that Prefect's lists read as the improvement itself."""
    with suppress(Exception), get_client(sync_client=True) as client:
        client.update_flow_run(flow_run.get_id(), name=name)  # pyright: ignore[reportArgumentType]


def _ask(space: Workspace, asked: Question) -> AbstractContextManager[Look]:
    """Ask on the round's page, and say so in its name."""
    rename(round_name(asked.round, asked.judged, "waits for approval"))
    get_run_logger().info("%s, or on this run's page: Resume", asked.sentence())
    tell_question(space, asked)
    return form(space, asked)


def _run_as_task(name: str, stage: Callable[[], R]) -> R:
    def run() -> R:
        outcome = stage()
        shown = {k: v for k, v in outcome.model_dump().items() if isinstance(v, int | float | str)}
        get_run_logger().info("%s: %s", name, shown)
        return outcome

    return task(name=name, task_run_name=name, cache_policy=NO_CACHE, persist_result=False)(run)()


@contextmanager
def _ours(workspace: str) -> Iterator[Session]:
    """The session of this process, if it is of that workspace, or a new one."""
    if _session is not None and _session.space.address == address_of(workspace):
        yield _session
    else:
        with session(workspace) as opened:
            yield opened
