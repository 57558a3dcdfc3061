"""What `pacloop serve` and `pacloop deploy` register: whose deployments, called what, and run when."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .schedule import timetable

if TYPE_CHECKING:
    from prefect import Flow

    from ...loop.workspace.place import Place
    from ...loop.workspace.workspace import Workspace


@dataclass(frozen=True)
class Plan:
    """The deployments of a workspace, before they are registered.

    Attributes:
      space: the workspace.
      name: what tells it from others of the same server.
      rounds: most rounds that a run of `improve` adds.
      until: success to reach.
      approve: whether a person is asked before each promotion.
      timetable: when `improve` runs by itself, as Prefect takes it; empty where only people start it.
    """

    space: "Workspace"
    name: str
    rounds: int
    until: float
    approve: bool
    timetable: dict[str, Any]

    @property
    def workspace(self) -> str:
        """The workspace, wherever a run starts."""
        return self.space.address

    def deployment(self, flow: "Flow[..., Any]") -> str:
        """What a deployment is called, e.g. `improve-arm`."""
        return f"{flow.name}-{self.name}"

    def sentence(self) -> str:
        """When `improve` runs, and how far."""
        words = {"interval": "every {}", "cron": "at cron {!r}"}
        when = " ".join(words[kind].format(value) for kind, value in self.timetable.items())
        asking = ", and asks a person before each promotion" if self.approve else ""
        return (
            f"improve runs {when or 'when somebody starts it'}, at most {self.rounds} rounds each time, "
            f"until {self.until:.0%}{asking}"
        )


def make_plan(
    workspace: "Place",
    *,
    every: str | None = None,
    cron: str | None = None,
    rounds: int | None = None,
    until: float | None = None,
    approve: bool | None = None,
    name: str = "",
) -> Plan:
    """The plan of a command with these options; what is None is as the workspace's settings say.

    Raises LoopError where there is no workspace, or an option cannot be obeyed.
    """
    from ...loop.workspace.config import with_target
    from ...loop.workspace.workspace import Workspace

    space = Workspace.open(workspace)
    config = space.config if until is None else with_target(space.config, until)
    return Plan(
        space=space,
        name=_deployment_name(name or space.name),
        rounds=config.improve.rounds if rounds is None else rounds,
        until=config.improve.until,
        approve=config.gate.approve if approve is None else approve,
        timetable=timetable(every, cron),
    )


def _deployment_name(text: str) -> str:
    """Letters, digits, dots and dashes: what a deployment's name may hold."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-") or "workspace"
