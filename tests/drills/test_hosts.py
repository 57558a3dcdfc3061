"""Two hosts on one bucket, where this machine can have such."""

import pytest


@pytest.mark.slow
def test_of_two_hosts_one_goes_on_where_the_other_is_switched_off(drill):
    table = drill("drills/hosts.py", "--what", "workspace", "--tries", "1")
    assert "not drilled" in table or "| workspace | the second host | 1 | 0 |" in table
