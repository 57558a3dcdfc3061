"""The deployments of a workspace: the four flows under its name, with its settings as defaults."""

from typing import TYPE_CHECKING, Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.deployments.runner import EntrypointType, RunnerDeployment
from prefect.exceptions import ObjectNotFound

from ...loop.errors import LoopError
from ..environment import program
from .deployed import evaluate_flow, improve_flow, inject_flow, rollback_flow

if TYPE_CHECKING:
    from prefect import Flow

    from .plan import Plan

FLOWS: tuple["Flow[..., Any]", ...] = (improve_flow, inject_flow, evaluate_flow, rollback_flow)


def deployments(plan: "Plan") -> list[RunnerDeployment]:
    """The workspace's deployments, `improve` first. Raises LoopError where a schedule is no good."""
    return [_deployment(plan, flow) for flow in FLOWS]


def check_name(plan: "Plan") -> None:
    """Raise LoopError where the server knows another workspace by this name."""
    names = [plan.deployment(flow) for flow in FLOWS]
    only = DeploymentFilter(name=DeploymentFilterName(any_=names))
    with get_client(sync_client=True) as client:
        registered = client.read_deployments(deployment_filter=only)
    others = {d.parameters.get("workspace") for d in registered} - {plan.workspace}
    if others:
        raise LoopError(
            f"the server knows another workspace as {plan.name!r}, {others.pop()}: choose another --name"
        )


def check_pool(name: str) -> None:
    """Raise LoopError where the server has no work pool of this name."""
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(name)
        except ObjectNotFound:
            advice = f"{program('prefect')} work-pool create {name} --type process"
            raise LoopError(f"there is no work pool {name!r}; make it: {advice}") from None


def _deployment(plan: "Plan", flow: "Flow[..., Any]") -> RunnerDeployment:
    parameters: dict[str, Any] = {"workspace": plan.workspace}
    settings = plan.space.config.improve
    if flow is improve_flow:
        parameters |= {"rounds": plan.rounds, "until": plan.until, "minutes": settings.minutes}
        parameters["approve"] = plan.approve
    if flow is evaluate_flow:
        parameters["episodes"] = settings.evaluation_episodes
    return RunnerDeployment.from_flow(
        flow,
        name=plan.deployment(flow),
        parameters=parameters,
        description=f"{flow.description}\n\nWorkspace: `{plan.workspace}`, task: {plan.space.config.task}.",
        tags=["pacloop", plan.name],
        paused=False,
        entrypoint_type=EntrypointType.MODULE_PATH,
        **(plan.timetable if flow is improve_flow else {}),
    )
