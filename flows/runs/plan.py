"""What `pacloop serve` and `pacloop deploy` register: whose deployments, called what, and run when."""

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ...loop.errors import LoopError

if TYPE_CHECKING:
    from ...datasets import EpisodeStore
    from ...loop.workspace.place import Place
    from ...loop.workspace.workspace import Workspace

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Plan:
    """The deployments of a workspace, before they are registered.

    Attributes:
      space: the workspace, with the settings of a run of `improve`.
      name: what tells it from others of the same server.
      options: what the command says of a run of `improve`, as its form takes it; all else is as
        pacloop.toml says when a run begins.
      timetable: when `improve` runs by itself, as Prefect takes it; empty where only people start it.
    """

    space: "Workspace"
    name: str
    options: dict[str, Any]
    timetable: dict[str, Any]

    def sentence(self) -> str:
        """When `improve` runs, and how far."""
        words = {"interval": "every {}", "cron": "at cron {!r}"}
        when = " ".join(words[kind].format(value) for kind, value in self.timetable.items())
        config = self.space.config
        approval = ", and asks a person before each promotion" if config.gate.approve else ""
        return (
            f"improve runs {when or 'when somebody starts it'}, at most {config.improve.rounds} rounds "
            f"each time, until {config.improve.until:.0%}{approval}"
        )


def make_plan(
    place: "Place",
    *,
    every: str | None = None,
    cron: str | None = None,
    name: str = "",
    **options: Any,
) -> Plan:
    """The plan of a command with these options, those of `open_workspace` among them.

    Raises LoopError where there is no workspace, or an option cannot be obeyed.
    """
    from ...loop.workspace.machine import check_tasks

    space = open_workspace(place, **options)
    if not space.copy:  # what is in a bucket may be played elsewhere
        check_tasks(space.config)
    # Letters, digits, dots and dashes are what a deployment's name may hold.
    name = re.sub(r"[^\w.-]+", "-", name or space.name).strip("-") or "workspace"
    given = {key: value for key, value in options.items() if value is not None}
    if "approve" in given:
        given["approve"] = "yes" if given["approve"] else "no"
    return Plan(space, name, given, timetable(every, cron))


def open_workspace(place: "Place", **options: Any) -> "Workspace":
    """Open a workspace for `improve`, with those options of `with_options` that are not None."""
    from ...loop.workspace.config import with_options
    from ...loop.workspace.workspace import Workspace

    space = Workspace.open(place)
    return replace(space, config=with_options(space.config, **options))


def open_store(space: "Workspace") -> "EpisodeStore":
    """Its dataset. Raises LoopError, with the commands that begin one, where there is none yet."""
    from ...loop.injection.demonstrations import no_demonstrations

    if not space.has_store():
        raise no_demonstrations(space)
    return space.open_store()


def open_to_change(place: "Place") -> "Workspace":
    """Open a workspace of which something is to be changed. Raises LoopError where it is a copy."""
    from ...loop.workspace.copied import refuse_copy

    space = open_workspace(place)
    refuse_copy(space)
    return space


def timetable(every: str | None, cron: str | None) -> dict[str, Any]:
    """What `--every` and `--cron` say, as Prefect's deployments take it; empty where they say nothing.

    Raises LoopError where they say what cannot be done.
    """
    if every is not None and cron is not None:
        raise LoopError("--every and --cron exclude each other: give one of them")
    if every is not None:
        return {"interval": _interval(every)}
    return {} if cron is None else {"cron": _cron(cron)}


def _interval(text: str) -> timedelta:
    match = re.fullmatch(r"\s*(\d{1,4}(?:\.\d+)?)\s*([mhdw])\s*", text)
    interval = timedelta(**{UNITS[match[2]]: float(match[1])}) if match else timedelta()
    if interval < timedelta(minutes=1):
        raise LoopError(f"--every is {text!r}, but must be a time of at least a minute, like 30m, 6h or 1d")
    return interval


def _cron(text: str) -> str:
    from prefect.client.schemas.schedules import CronSchedule

    try:
        CronSchedule(cron=text)
    except ValueError:
        raise LoopError(
            f"--cron is {text!r}, but must be minute, hour, day, month and weekday, like '0 2 * * *'"
        ) from None
    return text
