"""What every benchmark prints first: the commit and the machine it ran on."""

import os
import platform
import subprocess
from pathlib import Path


def machine() -> str:
    """One line: commit, cores, threads."""
    root = Path(__file__).parent.parent
    command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    usable = len(os.sched_getaffinity(0))
    threads = os.environ.get("OMP_NUM_THREADS", "unset")
    return f"commit {commit}, {platform.machine()}, {usable} cores usable, OMP_NUM_THREADS {threads}"
