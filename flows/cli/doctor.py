"""What this machine has, what is wrong with it, and what to do about it."""

import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

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


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    found: str
    good: bool = True
    advice: str = ""


def checks(workspace: str) -> list[Check]:
    """Look at everything; some seconds, since the simulator and Ray's store are tried for real.

    A workspace that is a URL is looked at, too.
    """
    return [
        _python(),
        *_packages(),
        _cores(),
        _memory(),
        _disk(),
        _simulator(),
        _rendering(),
        _prefect(),
        _ray(),
        *_bucket(workspace),
    ]


def _python() -> Check:
    good = (3, 11) <= sys.version_info[:2] < (3, 13)
    advice = "" if good else "use Python 3.11 or 3.12: dm-control's labmaze has no wheel for others"
    return Check("python", platform.python_version(), good, advice)


def _packages() -> list[Check]:
    found = []
    for name, tested in TESTED.items():
        try:
            have = version(name)
        except PackageNotFoundError:
            found.append(Check(name, "not installed", False, "run: make"))
            continue
        advice = "" if have.startswith(tested) else f"tested with {tested}; run: make"
        found.append(Check(name, have, True, advice))
    return found


def _cores() -> Check:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    advice = "" if usable >= 2 else "one core: set [collect] actors = 1"
    return Check("cores", f"{usable} usable", True, advice)


def _memory() -> Check:
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    advice = "" if gib >= MEMORY_GIB else f"the demo needs some {MEMORY_GIB} GiB"
    return Check("memory", f"{gib:.0f} GiB", gib >= MEMORY_GIB, advice)


def _disk() -> Check:
    gib = shutil.disk_usage(Path.cwd()).free / 2**30
    advice = "" if gib >= DISK_GIB else f"leave at least {DISK_GIB} GiB free for workspaces"
    return Check("disk", f"{gib:.0f} GiB free here, {_free(tempfile.gettempdir())}", gib >= DISK_GIB, advice)


def _free(folder: str) -> str:
    return f"{shutil.disk_usage(folder).free / 2**30:.0f} GiB free for Ray in {folder}"


def _simulator() -> Check:
    from ...actors.registry import find_task

    try:
        environment = find_task("pacloop/stack").make()
        environment.seed(0)
        environment.reset()
        environment.close()
    except Exception as error:
        return Check(
            "simulator", f"{type(error).__name__}: {error}", False, "mujoco and dm-control must fit: run make"
        )
    return Check("simulator", "pacloop/stack starts")


def _rendering() -> Check:
    backend = os.environ.get("MUJOCO_GL", "")
    advice = "" if backend else "images and videos pick EGL or OSMesa by themselves; MUJOCO_GL chooses"
    return Check("rendering", f"MUJOCO_GL={backend or 'not set'}", True, advice)


def _prefect() -> Check:
    url = os.environ.get("PREFECT_API_URL", "")
    advice = "" if url else "rounds are kept in Prefect's local database; see them with: prefect server start"
    return Check("prefect api", url or "local, started when needed", True, advice)


def _ray() -> Check:
    address = os.environ.get("RAY_ADDRESS", "")
    return Check("ray cluster", address or "local, started when needed")


def _bucket(workspace: str) -> list[Check]:
    from ...datasets.errors import PacloopError
    from ...loop.workspace.workspace import Workspace, url_of

    if not url_of(workspace):
        return []
    try:
        space = Workspace.open(workspace)
    except PacloopError as error:
        return [Check("workspace", str(error), False, "docs/remote.md says what a bucket needs")]
    return [Check("workspace", f"{space.place} ({space.config.task}), local copy in {space.folder}")]
