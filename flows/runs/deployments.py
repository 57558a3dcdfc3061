"""The deployments of a workspace: the four flows under its name, with its settings as defaults."""

from typing import TYPE_CHECKING, Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.deployments.runner import EntrypointType, RunnerDeployment
from prefect.exceptions import ObjectNotFound

from ...loop.errors import LoopError
from .deployed import evaluate_flow, improve_flow, inject_flow, rollback_flow

if TYPE_CHECKING:
    from prefect import Flow

    from .plan import Wanted

FLOWS: tuple["Flow[..., Any]", ...] = (improve_flow, inject_flow, evaluate_flow, rollback_flow)


def deployments(wanted: "Wanted") -> list[RunnerDeployment]:
    """The workspace's deployments, `improve` first. Raises LoopError where a schedule is no good."""
    return [_deployment(wanted, flow) for flow in FLOWS]


def check_name(wanted: "Wanted") -> None:
    """Raise LoopError where the server knows another workspace by this name."""
    names = [wanted.deployment(flow) for flow in FLOWS]
    only = DeploymentFilter(name=DeploymentFilterName(any_=names))
    with get_client(sync_client=True) as client:
        found = client.read_deployments(deployment_filter=only)
    others = {d.parameters.get("workspace") for d in found} - {wanted.workspace}
    if others:
        raise LoopError(
            f"the server knows another workspace as {wanted.name!r}, {others.pop()}: choose another --name"
        )


def check_pool(name: str) -> None:
    """Raise LoopError where the server has no work pool of this name."""
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(name)
        except ObjectNotFound:
            raise LoopError(
                f"there is no work pool {name!r}; make it: prefect work-pool create {name} --type process"
            ) from None


def _deployment(wanted: "Wanted", flow: "Flow[..., Any]") -> RunnerDeployment:
    parameters: dict[str, Any] = {"workspace": wanted.workspace}
    settings, scheduled = wanted.space.config.improve, {}
    if flow is improve_flow:
        parameters |= {"rounds": wanted.rounds, "until": wanted.until, "minutes": settings.minutes}
        parameters["approve"] = wanted.approve
        scheduled = wanted.timetable.for_prefect() if wanted.timetable else {}
    if flow is evaluate_flow:
        parameters["episodes"] = settings.evaluation_episodes
    return RunnerDeployment.from_flow(
        flow,
        name=wanted.deployment(flow),
        parameters=parameters,
        description=f"{flow.description}\n\nWorkspace: `{wanted.workspace}`, "
        f"task: {wanted.space.config.task}.",
        tags=["pacloop", wanted.name],
        paused=False,
        entrypoint_type=EntrypointType.MODULE_PATH,
        **scheduled,
    )
