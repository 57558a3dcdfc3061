"""The security drill: hostile recordings, policies and pages do nothing; no secret of a run is kept."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "drills" / "security.py"


def drilled(*what):
    """The rows of the drill's table, which must find nothing wrong."""
    done = subprocess.run(
        [sys.executable, SCRIPT, "--what", *what], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return [line for line in done.stdout.splitlines() if line.startswith(tuple(f"| {w} |" for w in what))]


def test_strangers_do_no_harm():
    rows = drilled("files", "policies", "page")
    assert len(rows) >= 30 and all(row.endswith("| 0 |") for row in rows)


@pytest.mark.slow
def test_no_secret_of_a_run_is_kept():
    rows = drilled("secrets")
    assert [row.split(" | ")[1] for row in rows] == [
        "password",
        "signature",
        "bucket's key",
        "server's string",
    ]
