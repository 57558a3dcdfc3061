"""A run that dies before some of its writes."""


def test_a_run_that_dies_before_some_of_its_writes_ends_like_another(drill):
    assert "| folder |" in drill("drills/every_write.py", "--where", "folder", "--stride", "90")
