"""The drills in short: runs that die, that fail, and that go on, and in the end differ in nothing."""

import re
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


@pytest.mark.timeout(300)
def test_a_run_whose_clock_jumps_ends_like_another():
    assert "| run in a folder: a day back | 1 | 0 | 0 | 0 | 0 |" in drill(
        "clock.py", "--what", "runs", "--tries", "1", "--jumps", "a day back"
    )


@pytest.mark.timeout(300)
def test_no_jump_of_a_clock_steals_a_lease_or_ends_a_wait():
    table = drill("clock.py", "--what", "leases", "approvals", "--tries", "1", "--jumps", "a day back")
    assert "| lease in a bucket | 1 | 0 | 0 | 0 | 0 |" in table
    assert "| approval: a day back | 1 | 0 | 0 | 0 | 0 |" in table


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("what", "tries"), [("files", 30), ("words", 30), ("plugins", 8)])
def test_bad_input_is_a_sentence_or_obeyed(what, tries):
    assert re.search(
        r"\| all \| \d\d+ \| .* \| 0 \| 0 \| 0 \|",
        drill("bad_input.py", "--what", what, "--tries", str(tries)),
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_of_two_hosts_one_goes_on_where_the_other_is_switched_off():
    table = drill("hosts.py", "--what", "workspace", "--tries", "1")
    assert "not drilled" in table or "| workspace | the second host | 1 | 0 |" in table
