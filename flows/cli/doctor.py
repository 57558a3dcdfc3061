"""`pacloop doctor`: what this machine has, what is wrong with it, and what to do about it."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..environment import this_command
from ..terminal import print_json, sentence
from .options import HERE, JsonOption, WorkspaceOption

if TYPE_CHECKING:
    from ...loop.workspace.workspace import Workspace

TESTED = {
    "torch": "2.13",
    "ray": "2.60",
    "mujoco": "3.17",
    "dm-control": "1.0.50",
    "prefect": "3.8",
    "pyarrow": "26",
}
"""Versions, or beginnings of versions, that were tested together."""

MEMORY_GIB, DISK_GIB = 6, 2
RAY_SEC = 30.0
"""So long joining a cluster may take."""
LOCAL = "local, started when needed"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    found: str
    good: bool = True
    advice: str = ""


def doctor(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Say what this machine has, what is wrong, and what to do.

    The workspace and its task are looked at, too. Exits 1 where something is wrong.
    """
    task, found = _workspace(workspace)
    services = [_rendering(), _prefect(workspace), _ray()]
    checks = [*_versions(), *_resources(), _simulator(task), *services, *found]
    if as_json:
        print_json([vars(check) for check in checks])
    else:
        for check in checks:
            print(f"{'ok  ' if check.good else 'BAD '} {check.name:<12} {check.found}")
            if check.advice:
                print(f"     {'':<12} -> {check.advice}")
    raise SystemExit(0 if all(check.good for check in checks) else 1)


def _versions() -> list[Check]:
    from ...loop.workspace.machine import environment

    facts = environment()
    checks = [Check("python", facts["python"])]
    for name, tested in TESTED.items():
        advice = "" if facts[name].startswith(tested) else f"tested with {tested}; run: make"
        checks.append(Check(name, facts[name], facts[name] != "not installed", advice))
    return checks


def _resources() -> list[Check]:
    import tempfile

    from ...loop.workspace.machine import cores, memory_gib

    temporary = tempfile.gettempdir()
    disk, rays = (shutil.disk_usage(folder).free / 2**30 for folder in (Path.cwd(), temporary))
    free = f"{disk:.0f} GiB free here, {rays:.0f} GiB free for Ray in {temporary}"
    few = "" if cores() >= 2 else "one core: set [collect] actors = 1"
    small = "" if memory_gib() >= MEMORY_GIB else f"the demo needs some {MEMORY_GIB} GiB"
    full = "" if disk >= DISK_GIB else f"leave at least {DISK_GIB} GiB free for workspaces"
    return [
        Check("cores", f"{cores()} usable", True, few),
        Check("memory", f"{memory_gib():.0f} GiB", not small, small),
        Check("disk", free, not full, full),
    ]


def _simulator(task: str) -> Check:
    """Some seconds: a simulation is tried for real; what may move a robot is only found."""
    from ...actors.registry import OURS, find_task

    try:
        offered = find_task(task)
        if not offered.replayable:
            found = f"{task} is found, and not started: it does not say that it is a simulation"
            return Check("simulator", found)
        environment = offered.make_for_replay()
        environment.seed(0)
        environment.reset()
        environment.close()
    except (Exception, SystemExit) as error:  # somebody else's code
        ours = "mujoco and dm-control must fit: run make"
        advice = ours if task in OURS else f"the package that offers {task} must work here"
        return Check("simulator", sentence(error), False, advice)
    return Check("simulator", f"{task} starts")


def _rendering() -> Check:
    backend = os.environ.get("MUJOCO_GL", "")
    pick = "" if backend else "images and videos pick EGL or OSMesa by themselves; MUJOCO_GL chooses"
    return Check("rendering", f"MUJOCO_GL={backend or 'not set'}", True, pick)


def _prefect(workspace: str) -> Check:
    """The API that a run would use, by the environment or by Prefect's profile."""
    from ..server.access import admits, string_of
    from ..server.ask import answers, configured, unanswered

    if not (url := configured()):
        serve = this_command("serve", workspace)
        see = f"rounds are kept in Prefect's local database; see them with: {serve}"
        return Check("prefect api", LOCAL, True, see)
    if not answers(url):
        return Check("prefect api", unanswered(url), False)
    if not admits(url, string_of(url)):
        wrong = f"the server at {url} wants a password"
        return Check("prefect api", wrong, False, "set PREFECT_API_AUTH_STRING")
    return Check("prefect api", url)


def _ray() -> Check:
    """Some seconds where a cluster is named: it is joined, in a process that may hang or crash."""
    from ...actors.rollout.ray_connection import check_address, connect
    from ...datasets.errors import PacloopError
    from ..server.ask import TIMEOUT_SEC

    if not (address := os.environ.get("RAY_ADDRESS")):
        return Check("ray cluster", LOCAL)
    join = [sys.executable, "-c", f"from {connect.__module__} import connect; connect(cpus=1)"]
    try:
        check_address()
        if named := re.fullmatch(r"(.+):(\d+)", address):  # Ray itself would try for minutes
            socket.create_connection((named[1], int(named[2])), TIMEOUT_SEC).close()
        subprocess.run(join, capture_output=True, timeout=RAY_SEC, check=True)
    except PacloopError as error:
        return Check("ray cluster", str(error), False)
    except (OSError, OverflowError, subprocess.SubprocessError):
        wrong = f"RAY_ADDRESS is {address}, but no cluster can be joined there"
        return Check("ray cluster", wrong, False, "start it, or choose a local one with: unset RAY_ADDRESS")
    return Check("ray cluster", address)


def _workspace(workspace: str) -> tuple[str, list[Check]]:
    """The task of the workspace, or the first of ours where there is none; and what is said of it."""
    from ...actors.registry import OURS
    from ...datasets.errors import PacloopError
    from ...loop.workspace.place import url_of
    from ...loop.workspace.workspace import Workspace

    try:
        space = Workspace.find(workspace)
    except PacloopError as error:
        advice = "docs/remote.md says what a bucket needs, docs/settings.md what pacloop.toml may say"
        return OURS[0], [Check("workspace", str(error), False, advice)]
    if space is None:
        make = f"make one with: {this_command('init --task NAME', workspace)}"
        may_come = workspace == HERE or url_of(workspace) is not None  # what was asked is the bucket's reach
        return OURS[0], [Check("workspace", f"there is none at {workspace}", may_come, make)]
    return space.config.task, list(_records(space))


def _records(space: "Workspace") -> Iterator[Check]:
    """Whether all that is on record can be read, and what could not be played."""
    from ...datasets.errors import PacloopError
    from ...loop.views.status import read_status

    try:
        status = read_status(space)
    except PacloopError as error:
        advice = "docs/stuck.md says what each file means, and which may be removed"
        yield Check("workspace", str(error), False, advice)
        return
    copy = f", local copy in {space.folder}" if space.copy else ""
    about = status.copied or f"{space.place} ({space.config.task}){copy}"
    yield Check("workspace", about, not status.copied, status.next_step)
    if status.failed:
        yield Check("episodes", status.failed)
