"""The artifacts that a round leaves in Prefect: its own report, and the curve of all rounds."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.sorting import FlowRunSort
from prefect.context import SyncClientContext

from ...loop.views.film import filming
from ...loop.workspace.records import Reached
from ...loop.workspace.verdict import Verdict
from ...loop.workspace.workspace import Workspace
from ..server.ask import ui_address
from .round import episodes_to_show, round_page, success_page

KEY = "success-per-round"


def publish(space: Workspace) -> None:
    """Rewrite the artifact `success-per-round`: the curve, the table and the data, as of now.

    Several workspaces may share a server, so each has a second one to itself.
    """
    with _failures_logged():
        page = success_page(space)
        for key in dict.fromkeys((KEY, key_of(space))):
            create_markdown_artifact(page, key=key, description=space.address)


def key_of(space: Workspace) -> str:
    """The key of a workspace's own `success-per-round`: its name, and the beginning of its id."""
    name = re.sub("[^a-z0-9]+", "-", f"{space.name.lower()}-{space.id[:6]}").strip("-")
    return f"{KEY}-{name}"


def workspace_tag(space: Workspace) -> str:
    """The tag of all that Prefect knows of a workspace."""
    return f"workspace:{space.id}"


def publish_round(space: Workspace, number: int, verdict: Verdict | Reached) -> None:
    """Leave the artifact `round-report`; each round's is in the key's history, under its run's name."""
    with (
        _failures_logged(),
        filming(space, episodes_to_show(space, number)) as films,
        SyncClientContext(httpx_settings={}),  # the flow's client is closed when the flow ends
    ):
        page = round_page(space, number, verdict, films(), *_links(space))
        create_markdown_artifact(page, key="round-report", description=f"Round {number}")


def _links(space: Workspace) -> tuple[dict[int, str], str]:
    """Where Prefect's UI shows the latest run of each round, and all of them."""
    runs: dict[int, str] = {}
    pages = ""
    flows = FlowFilter(name=FlowFilterName(any_=["start", "round"]))
    own = FlowRunFilter(tags=FlowRunFilterTags(all_=[workspace_tag(space)]))
    with suppress(Exception), get_client(sync_client=True) as client:
        pages = urlsplit(ui_address(str(client.api_url).rstrip("/"))).path
        newest = FlowRunSort.START_TIME_DESC
        for run in client.read_flow_runs(flow_filter=flows, flow_run_filter=own, sort=newest, limit=200):
            runs.setdefault(run.parameters.get("number", 0), f"{pages}/runs/flow-run/{run.id}")
    return runs, f"{pages}/artifacts/key/{key_of(space)}"


@contextmanager
def _failures_logged() -> Iterator[None]:
    """Prefect shows; the workspace's own record is the truth. What cannot be shown is logged."""
    try:
        yield
    except Exception as error:
        with suppress(Exception):
            get_run_logger().warning("a page is missing: %s: %s", type(error).__name__, error)
