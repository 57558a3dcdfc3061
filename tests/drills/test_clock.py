"""A clock that is set back by a day, in short."""

JUMPS = ("--tries", "1", "--jumps", "a day back")


def test_a_run_whose_clock_jumps_ends_like_another(drill):
    table = drill("drills/clock.py", "--what", "runs", *JUMPS)
    assert "| run in a folder: a day back | 1 | 0 | 0 | 0 | 0 |" in table


def test_no_jump_of_a_clock_steals_a_lease_or_ends_a_wait(drill):
    table = drill("drills/clock.py", "--what", "leases", "approvals", *JUMPS)
    assert "| lease in a bucket | 1 | 0 | 0 | 0 | 0 |" in table
    assert "| approval: a day back | 1 | 0 | 0 | 0 | 0 |" in table
