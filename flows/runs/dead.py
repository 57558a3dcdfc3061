"""Runs of killed processes, which Prefect goes on showing as `Running` until somebody closes them.

Whoever holds a workspace marks its runs by tags: `holds:<id>`, and `on:<host>` where the workspace is a
folder, since whether the holder of a folder lives is known on its own machine only. `workspace:<id>` is no
such mark: runs that only wait for the workspace have it from their deployments.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from prefect import tags
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import State, StateType
from prefect.runtime import flow_run
from prefect.states import Crashed

from ...loop.workspace.workspace import Workspace
from ..pages.publishing import workspace_tag


@contextmanager
def marked(space: Workspace) -> Iterator[None]:
    """Mark the run that calls, and all that begin inside, as runs of who holds the workspace."""
    own = {workspace_tag(space), *_marks(space)}
    if caller := flow_run.get_id():
        with suppress(Exception), get_client(sync_client=True) as client:
            client.update_flow_run(UUID(caller), tags=own | set(flow_run.get_tags()))
    with tags(*own):
        yield


def close_dead_runs(space: Workspace, state: State[Any] | None = None) -> None:
    """Close runs of a workspace that a kill left `Running`: as crashed, or as `state` says.

    Call it only under the workspace's lease: then whoever held it is gone. The run that calls, runs of the
    same folder's path on other machines, and those of a copy are left alone.
    """
    alive = [StateType.RUNNING, StateType.PENDING, StateType.PAUSED]
    dead = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=alive)),
        tags=FlowRunFilterTags(all_=_marks(space)),
    )
    state = state or Crashed(message="its process died; the workspace went on from its last finished work")
    with suppress(Exception), get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=dead):
            if str(run.id) != flow_run.get_id() and run.parameters.get("workspace") == space.address:
                client.set_flow_run_state(run.id, state, force=True)


def _marks(space: Workspace) -> list[str]:
    return [f"holds:{space.id}"] + ([] if space.copy else [f"on:{socket.gethostname()}"])
