"""The deployments of a workspace: the four flows under its name, with a command's options as defaults."""

from typing import TYPE_CHECKING

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import DeploymentStatus
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import EntrypointType, RunnerDeployment
from prefect.exceptions import ObjectNotFound

from ...loop.errors import LoopError
from ..environment import program
from ..pages.publishing import workspace_tag
from .deployed import evaluate_flow, improve_flow, inject_flow, rollback_flow

if TYPE_CHECKING:
    from .plan import Plan


def deployments(plan: "Plan") -> list[RunnerDeployment]:
    """The workspace's deployments, `improve` first, named after flow and plan: `improve-arm`."""
    space = plan.space
    where = f"Workspace: `{space.address}`, task: {space.config.task}."
    made = [
        RunnerDeployment.from_flow(
            flow,
            name=f"{flow.name}-{plan.name}",
            parameters={"workspace": space.address} | (plan.options if flow is improve_flow else {}),
            description=f"{(flow.description or '').partition('Args:')[0]}{where}",
            tags=["pacloop", plan.name, workspace_tag(space)],
            paused=False,
            entrypoint_type=EntrypointType.MODULE_PATH,
            **(plan.timetable if flow is improve_flow else {}),
        )
        for flow in (improve_flow, inject_flow, evaluate_flow, rollback_flow)
    ]
    for deployment in made:
        _leave_empty(deployment)
    return made


def _leave_empty(deployment: RunnerDeployment) -> None:
    """Name no default where it is None: the form would send it, and the server refuses it as no number."""
    for field in deployment._parameter_openapi_schema.properties.values():
        if field.get("default", "") is None:
            del field["default"]


def check_name(plan: "Plan", deployments: list[RunnerDeployment]) -> None:
    """Raise LoopError where the server knows another workspace by this name."""
    for known in _registered(deployments):
        ids = [tag for tag in known.tags if tag.startswith("workspace:")]
        place, ours = known.parameters.get("workspace"), workspace_tag(plan.space)
        if place != plan.space.address or (ids and ours not in ids):
            raise LoopError(
                f"the server knows another workspace as {plan.name!r}, {place} ({', '.join(ids) or 'no id'}; "
                f"this is {ours}): choose another --name"
            )


def pause_registered(deployments: list[RunnerDeployment]) -> bool:
    """Pause those that the server knows; returns whether somebody served one within the last minute.

    The server then forgets the runs that its scheduler put ahead. Registering anew, and the client's own
    `pause_deployment`, remove future ones only: those that became due while nobody served them would be
    played at once.
    """
    registered = _registered(deployments)
    with get_client(sync_client=True) as client:
        for known in registered:
            client.request("POST", "/deployments/{id}/pause_deployment", path_params={"id": known.id})
    return any(known.status is DeploymentStatus.READY and not known.paused for known in registered)


def _registered(deployments: list[RunnerDeployment]) -> list[DeploymentResponse]:
    """What the server knows by these names."""
    only = DeploymentFilter(name=DeploymentFilterName(any_=[d.name for d in deployments]))
    with get_client(sync_client=True) as client:
        return client.read_deployments(deployment_filter=only)


def check_pool(name: str) -> None:
    """Raise LoopError where the server has no work pool of this name."""
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(name)
        except ObjectNotFound:
            advice = f"{program('prefect')} work-pool create {name} --type process"
            raise LoopError(f"there is no work pool {name!r}; make it: {advice}") from None
