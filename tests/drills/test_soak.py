"""A few rounds of the soak: nothing stays behind in their process."""


def test_rounds_leave_nothing_behind_in_their_process(drill):
    assert "| last to second |" in drill("drills/soak.py", "--rounds", "4", "--episodes", "60")
