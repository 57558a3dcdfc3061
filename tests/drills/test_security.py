"""The security drill: hostile recordings, policies and pages do nothing; no secret of a run is kept."""

import pytest


def rows(table, *what):
    return [line for line in table.splitlines() if line.startswith(tuple(f"| {w} |" for w in what))]


def test_strangers_do_no_harm(drill):
    what = ("files", "policies", "page")
    harmless = rows(drill("drills/security.py", "--what", *what), *what)
    assert len(harmless) >= 30 and all(row.endswith("| 0 |") for row in harmless)


@pytest.mark.slow
def test_no_secret_of_a_run_is_kept(drill):
    secrets = rows(drill("drills/security.py", "--what", "secrets"), "secrets")
    assert [row.split(" | ")[1] for row in secrets] == [
        "password",
        "signature",
        "bucket's key",
        "server's string",
    ]
