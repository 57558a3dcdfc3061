"""Runs of killed processes, which Prefect goes on showing as `Running` until somebody closes them."""

from contextlib import suppress
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
    that need no lease, are left alone.
    """
    caller = flow_run.get_id()
    alive = [StateType.RUNNING, StateType.PENDING, StateType.PAUSED]
    unfinished = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=alive)))
    state = state or Crashed(message="its process died; the workspace went on from its last finished work")
    with suppress(Exception), get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=unfinished):
            holds = run.name.partition(" ")[0] not in LEASELESS and str(run.id) != caller
            if holds and run.parameters.get("workspace") == workspace:
                client.set_flow_run_state(run.id, state, force=True)
