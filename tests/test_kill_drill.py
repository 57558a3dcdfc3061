"""The kill drill, with few kills: nothing lost, nothing twice, nothing left beside."""

import subprocess
import sys
from pathlib import Path


def test_what_is_killed_loses_nothing():
    script = Path(__file__).parents[1] / "benchmarks" / "kill_drill.py"
    done = subprocess.run(
        [sys.executable, script, "--kills", "3"], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    for what in ("append", "inject", "export"):
        assert f"| {what} | 3 |" in done.stdout
