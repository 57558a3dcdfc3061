"""What this was made with: versions, cores, memory, the code's commit."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ...actors.registry import TaskError, check_name, package_of
from ..errors import LoopError
from .config import Config

PACKAGES = ("torch", "ray", "mujoco", "dm-control", "pyarrow", "prefect", "numpy")


def environment() -> dict[str, str]:
    """The facts by name, as they are here and now."""
    facts = {"pacloop": code(), "python": platform.python_version()}
    facts |= {name: _version(name) for name in PACKAGES}
    facts["system"] = f"{platform.system()} {platform.release()}, {platform.machine()}"
    facts["processor"] = _processor()
    facts["cores"] = f"{cores()} usable of {os.cpu_count()}"
    return facts | {"memory": f"{memory_gib():.0f} GiB"}


def physics(task: str) -> dict[str, str]:
    """Versions of what a task's episodes come from: MuJoCo's, and that of the package that offers it."""
    return {name: _version(name) for name in ("mujoco", package_of(task)) if name}


def check_tasks(config: Config) -> None:
    """Raise LoopError, naming the setting, where no package here offers a task that the settings name."""
    settings = {config.task: "task", **dict.fromkeys(config.gate.others, "[gate] others")}
    for task, setting in settings.items():
        try:
            check_name(task)
        except TaskError as error:
            raise LoopError(f"{setting} in pacloop.toml: {error}") from None


def code() -> str:
    """The package's version, and its commit where it runs from a checkout: `0.2.0, commit 1a2b3c`."""
    return _version("pacloop") + _commit()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """The commit of a checkout that the package runs from; empty where it was installed otherwise."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return ""
    git = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(git, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return f", commit {done.stdout.strip()}"


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_gib() -> float:
    """All that the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
