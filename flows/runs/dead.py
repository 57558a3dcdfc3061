"""Runs of killed processes, which Prefect goes on showing as `Running` until somebody closes them."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import State, StateType
from prefect.runtime import flow_run
from prefect.states import Crashed

LEASELESS = ("inject", "rollback")
"""First words of the runs that go on beside whoever holds the workspace."""


def close_dead_runs(workspace: str, state: State[Any] | None = None) -> None:
    """Mark runs of the workspace at this address that a kill left `Running` as crashed, or as `state` says.

    Call it only under the workspace's lease: then whoever ran them is gone. The run that calls, and runs
    that need no lease, are left alone. It is the first to ask Prefect anything, so Prefect's embedded
    server, where there is no other, starts in it.
    """
    caller = flow_run.get_id()
    alive = [StateType.RUNNING, StateType.PENDING, StateType.PAUSED]
    unfinished = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=alive)))
    state = state or Crashed(message="its process died; the workspace went on from its last finished work")
    with suppress(Exception), interrupts_blocked(), get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=unfinished):
            holds = run.name.partition(" ")[0] not in LEASELESS and str(run.id) != caller
            if holds and run.parameters.get("workspace") == workspace:
                client.set_flow_run_state(run.id, state, force=True)


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Processes that start meanwhile do not hear Ctrl-C.

    A terminal interrupts a whole process group. An embedded server that stops before the run has told it
    that it was interrupted leaves the run waiting for an answer for minutes.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
