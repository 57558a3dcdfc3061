"""A run whose disk or bucket fails it, in short."""


def test_a_run_whose_disk_fails_ends_with_a_sentence_and_goes_on(drill):
    assert "| disk: full | 1 | 0 | 0 |" in drill("drills/faults.py", "--what", "disk", "--tries", "1")


def test_a_bucket_that_fails_some_requests_costs_a_run_nothing(drill):
    assert "| 1 | 0 | 0 |" in drill("drills/faults.py", "--what", "bucket", "--tries", "1")
