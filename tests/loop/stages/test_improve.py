"""How many rounds one call plays: `rounds`, of which an interrupted one that is finished is one."""

import pytest
from recorded import play, put, record, tally, verdict

from pacloop.loop.stages.improve import improve


@pytest.fixture
def improved(space, put_policy):
    """Improves a workspace whose round 1 was interrupted; the rounds that were played, and why no more."""
    put_policy("r000-pac", 0)
    space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
    put(space, 0, "race", policy="r000-pac")
    play(space, 0, "demonstrate", "somebody", [1.0], source="demonstration")
    put(space, 1, "begin", champion="r000-pac")

    def improved(rounds, measured=True):
        played = []

        def measure(number, policy):
            facts = {"policy": policy, **tally(5, 10)}
            return put(space, number, f"final-{policy}", **facts) if measured else record("final-x", **facts)

        def play_round(number):
            played.append(number)
            assert len(played) < 5, "it never ends"
            put(space, number, "gate", **verdict("undecided", f"r{number:03d}-pac", 5, 10))

        parts = {"round": play_round, "final": measure}
        return played, improve(space, lambda part, *which: parts[part](*which), rounds=rounds).why

    return improved


def test_rounds_is_how_many_one_call_plays_and_an_interrupted_one_is_one_of_them(improved):
    assert improved(2) == ([1, 2], "2 rounds were played")
    assert improved(3) == ([3, 4, 5], "3 rounds were played")
    assert improved(0) == ([], "0 rounds were played")


def test_a_round_whose_measurement_a_kill_prevented_is_one_of_them(improved):
    assert improved(1, measured=False)[0] == [1]
    assert improved(1)[0] == [], "the same command only measures"
    assert improved(1, measured=False)[0] == [2]
    assert improved(0) == ([], "0 rounds were played")
