"""Which cluster is used; in a process of its own, as a process has one."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

CONNECT = "from pacloop.actors.rollout.ray_connection import connect; assert connect(cpus=1)"


def test_a_private_cluster_is_started_beside_one_that_somebody_began_with_ray_start():
    with TemporaryDirectory(prefix="r", dir="/tmp") as folder:  # a socket's path must be short
        known = Path(folder) / "ray" / "ray_current_cluster"
        known.parent.mkdir()
        known.write_text("127.0.0.1:6379")  # as `ray start` leaves it, also where that cluster is gone
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        environment["RAY_TMPDIR"] = folder
        command = [sys.executable, "-c", CONNECT]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr
