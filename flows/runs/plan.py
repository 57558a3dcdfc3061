"""What `pacloop serve` and `pacloop deploy` are told: whose deployments, called what, and run when."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .schedule import timetable

if TYPE_CHECKING:
    from prefect import Flow

    from ...loop.workspace.workspace import Place, Workspace
    from .schedule import Timetable

Every = Annotated[str | None, typer.Option(help="Improve every so often: 30m, 6h, 1d.")]
Cron = Annotated[
    str | None, typer.Option(help="Improve at these times, UTC: '0 2 * * *' is every night at two.")
]
Rounds = Annotated[int | None, typer.Option(min=1, help="Most rounds that each run adds.")]
Until = Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Success to reach.")]
Name = Annotated[str, typer.Option(help="Tells this workspace from others; its folder's name.")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Of the server, on loopback.")]


@dataclass(frozen=True)
class Wanted:
    """What is to be served.

    Attributes:
      space: the workspace.
      name: what tells it from others of the same server.
      rounds: most rounds that a run of `improve` adds.
      until: success to reach.
      approve: whether a person is asked before each promotion.
      timetable: when `improve` runs by itself; None where only people start it.
    """

    space: "Workspace"
    name: str
    rounds: int
    until: float
    approve: bool
    timetable: "Timetable | None"

    @property
    def workspace(self) -> str:
        """The workspace, wherever a run starts."""
        return self.space.address

    def deployment(self, flow: "Flow[..., Any]") -> str:
        """What a deployment is called, e.g. `improve-arm`."""
        return f"{flow.name}-{self.name}"

    def sentence(self) -> str:
        """When `improve` runs, and how far."""
        when = f"runs {self.timetable}" if self.timetable else "runs when somebody starts it"
        asking = ", and asks a person before each promotion" if self.approve else ""
        return f"improve {when}, at most {self.rounds} rounds each time, until {self.until:.0%}{asking}"


def wanted(
    workspace: "Place",
    every: str | None,
    cron: str | None,
    rounds: int | None,
    until: float | None,
    approve: bool | None,
    name: str,
) -> Wanted:
    """What a command was told; None is as the workspace's settings say. Raises LoopError."""
    from ...loop.workspace.config import with_target
    from ...loop.workspace.workspace import Workspace

    space = Workspace.open(workspace)
    config = space.config if until is None else with_target(space.config, until)
    return Wanted(
        space=space,
        name=_name(name or space.name),
        rounds=config.improve.rounds if rounds is None else rounds,
        until=config.improve.until,
        approve=config.gate.approve if approve is None else approve,
        timetable=timetable(every, cron),
    )


def _name(text: str) -> str:
    """Letters, digits, dots and dashes: what a deployment's name may hold."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-") or "workspace"
