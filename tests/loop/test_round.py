"""Which round comes next, when the target counts as reached, and whose weights a round goes on from."""

from dataclasses import replace

import pytest

from pacloop.loop.config import parse_config
from pacloop.loop.errors import LoopError
from pacloop.loop.progress import silent
from pacloop.loop.round import next_round, reached
from pacloop.loop.stages import _start_policy, append, champion_sample, learn


def no_pool():
    raise AssertionError("no collectors are needed")


def test_a_round_that_has_not_ended_is_the_next_one(space, tally, verdict):
    assert next_round(space) == 1
    space.write_outcome(1, "collect", tally(1, 10))
    assert next_round(space) == 1
    space.write_outcome(1, "gate", verdict("undecided", "r001-pac", 5, 10))
    assert next_round(space) == 2
    space.write_outcome(2, "reached", {"decision": "reached"})
    assert next_round(space) == 3


@pytest.mark.parametrize(("successes", "enough"), [(279, False), (289, False), (290, True), (300, True)])
def test_the_target_must_be_reached_with_confidence(space, tally, successes, enough):
    """93 % of 300 is 279: a lucky sample; at 99 % confidence it takes 290."""
    space.write_outcome(1, "collect", tally(successes, 300, champion="a"))
    assert (reached(space, 1, "a") is not None) is enough


def test_what_a_champion_collected_before_counts_for_the_target(space, tally):
    for number, champion in ((1, "a"), (2, "b"), (3, "b")):
        space.write_outcome(number, "collect", tally(287, 300, champion=champion))
    assert reached(space, 2, "b") is None
    assert "b succeeded in 574 of 600 fresh episodes" in (reached(space, 3, "b") or "")


def test_whose_weights_a_round_goes_on_from(space, verdict):
    space.write_outcome(0, "learn", {"policy": "r000-pac"})
    space.write_outcome(1, "gate", verdict("promoted", "r001-pac", 9, 10))
    space.write_outcome(2, "gate", verdict("undecided", "r002-pac", 9, 10))
    space.write_outcome(3, "gate", verdict("rejected", "r003-pac", 1, 10))
    space.write_outcome(4, "begin", {"champion": "r001-pac"})
    assert _start_policy(space, 4) == "r000-pac"
    for start, policy in (("champion", "r001-pac"), ("latest", "r002-pac")):
        other = replace(space, config=parse_config({"learn": {"start": start}}, "test"))
        assert _start_policy(other, 4) == policy


def test_a_champions_collections_add_up(space, tally):
    for number, champion, successes in ((1, "a", 5), (2, "b", 6), (3, "b", 7), (4, "b", 8)):
        space.write_outcome(number, "collect", tally(successes, 10, champion=champion))
    assert champion_sample(space, 1, "a") == (5, 10)
    assert champion_sample(space, 3, "b") == (13, 20)


def test_nothing_is_learned_from_nothing(space):
    with pytest.raises(LoopError, match="no demonstrations"):
        append(space, 0, no_pool, silent)
    with pytest.raises(LoopError, match="no append yet"):
        learn(space, 1, no_pool, silent)


def test_episodes_that_went_missing_are_noticed(space, tally):
    from pacloop.loop.demonstrations import add_demonstrations

    add_demonstrations(
        space.folder, task="pacloop/stack", episodes=1, seed=0, clean=False, bare=False, progress=silent
    )
    space.write_outcome(1, "collect", tally(1, 10))
    with pytest.raises(LoopError, match="round 1 collected 10 episodes, but the dataset holds 0"):
        append(space, 1, no_pool, silent)
