"""The drills in short: runs that die, that fail, and that go on, and in the end differ in nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

DRILLS = Path(__file__).parents[1] / "benchmarks" / "drills"


def drill(name, *words):
    """What a drill printed; it must have found nothing."""
    command = [sys.executable, str(DRILLS / name), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return done.stdout


@pytest.mark.timeout(300)
def test_a_run_that_dies_before_some_of_its_writes_ends_like_another():
    assert "| folder |" in drill("every_write.py", "--where", "folder", "--stride", "90")


@pytest.mark.timeout(300)
def test_a_run_whose_disk_fails_ends_with_a_sentence_and_goes_on():
    assert "| disk: full | 1 | 0 | 0 |" in drill("faults.py", "--what", "disk", "--tries", "1")


@pytest.mark.timeout(300)
def test_a_bucket_that_fails_some_requests_costs_a_run_nothing():
    assert "| 1 | 0 | 0 |" in drill("faults.py", "--what", "bucket", "--tries", "1")


@pytest.mark.timeout(300)
def test_rounds_leave_nothing_behind_in_their_process():
    assert "| last to second |" in drill("soak.py", "--rounds", "4", "--episodes", "60")
