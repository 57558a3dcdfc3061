"""The scripts of `benchmarks/` that look for losses, in short: each must find nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def drill():
    """Runs a script with these words, and returns what it printed; it must have found nothing."""

    def run(script, *words):
        command = [sys.executable, str(BENCHMARKS / script), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
        assert done.returncode == 0, done.stdout + done.stderr[-2000:]
        return done.stdout

    return run
