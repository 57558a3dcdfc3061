"""The kill drill, with few kills: nothing lost, nothing twice, nothing left beside."""


def test_what_is_killed_loses_nothing(drill):
    table = drill("kill_drill.py", "--kills", "3")
    for what in ("append", "inject", "export"):
        assert f"| {what} | 3 |" in table
