"""Which round comes next, when the target counts as reached, and whose weights a round goes on from."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
from recorded import play_collection, put, tally, verdict

from pacloop.loop.errors import LoopError
from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.stages.append import append
from pacloop.loop.stages.collect import begin
from pacloop.loop.stages.improve import next_round
from pacloop.loop.stages.learn import fresh_rows, learn, start_policy
from pacloop.loop.stages.target import reached
from pacloop.loop.workspace.config import parse_config


def no_pool():
    raise AssertionError("no collectors are needed")


def test_a_round_that_has_not_ended_is_the_next_one(space):
    assert next_round(space) == 1
    put(space, 1, "collect", **tally(1, 10))
    assert next_round(space) == 1
    put(space, 1, "gate", **verdict("undecided", "r001-pac", 5, 10))
    assert next_round(space) == 2
    put(space, 2, "reached", decision="reached")
    assert next_round(space) == 3


@pytest.mark.parametrize(("successes", "enough"), [(279, False), (289, False), (290, True), (300, True)])
def test_the_target_must_be_reached_with_confidence(space, successes, enough):
    """93 % of 300 is 279: a lucky sample; at 99 % confidence it takes 290."""
    play_collection(space, 1, "a", successes, 300)
    assert (reached(space, 1, "a") is not None) is enough


def test_what_a_champion_collected_before_counts_for_the_target(space):
    for number, champion in ((1, "a"), (2, "b"), (3, "b")):
        play_collection(space, number, champion, 287, 300)
    assert reached(space, 2, "b") is None
    assert "b succeeded in 574 of 600 fresh episodes" in (reached(space, 3, "b") or "")


def test_whose_weights_a_round_goes_on_from(space):
    put(space, 0, "learn", policy="r000-pac")
    put(space, 1, "gate", **verdict("promoted", "r001-pac", 9, 10))
    put(space, 2, "gate", **verdict("undecided", "r002-pac", 9, 10))
    put(space, 3, "gate", **verdict("rejected", "r003-pac", 1, 10))
    put(space, 4, "begin", champion="r001-pac")
    assert start_policy(space, 4) == "r002-pac"
    for start, policy in (("champion", "r001-pac"), ("pretrained", "r000-pac")):
        other = replace(space, config=parse_config({"learn": {"start": start}}, "test"))
        assert start_policy(other, 4) == policy


def test_no_round_goes_on_from_weights_that_were_rolled_back(space, put_policy):
    """Nor from what learned from them, nor where the rollback comes in the midst of a round."""
    for name in ("r000-pac", "r001-pac", "r002-pac"):
        put_policy(name, 0)
    space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
    put(space, 1, "gate", **verdict("promoted", "r001-pac", 9, 10))
    space.registry.settle()
    put(space, 2, "begin", champion="r001-pac")
    put(space, 2, "gate", **verdict("undecided", "r002-pac", 9, 10))
    put(space, 3, "begin", champion="r001-pac")
    assert start_policy(space, 3) == "r002-pac"
    space.registry.rollback(reason="it scratches", by="ann")
    assert start_policy(space, 3) == "r000-pac"
    put(space, 3, "gate", **verdict("undecided", "r003-pac", 9, 10))
    put(space, 4, "begin", champion="r000-pac")
    assert start_policy(space, 4) == "r000-pac"
    put(space, 4, "gate", **verdict("undecided", "r004-pac", 9, 10))
    put(space, 5, "begin", champion="r000-pac")
    assert start_policy(space, 5) == "r004-pac"


@pytest.mark.parametrize("killed", [False, True])
def test_a_rollback_while_a_round_begins_is_one_of_that_round_unless_it_begins_again(
    space, put_policy, monkeypatch, killed
):
    for name in ("r000-pac", "r001-pac"):
        put_policy(name, 0)
    space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
    space.registry.install("r001-pac", reason="won", by="gate", round=1, action="promote")
    whole = type(space).write_record

    def late(*arguments):
        if killed:
            space.round_folder(2).mkdir(parents=True)
        space.registry.rollback(reason="it scratches", by="ann")
        if killed:
            raise KeyboardInterrupt
        return whole(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(type(space), "write_record", late)
        with pytest.raises(KeyboardInterrupt) if killed else nullcontext():
            begin(space, 2)
    assert begin(space, 2).champion == ("r000-pac" if killed else "r001-pac")
    assert space.registry.changed_after(2) is not killed
    assert start_policy(space, 2) == "r000-pac"


def test_no_round_goes_on_from_a_run_that_diverged(space):
    put(space, 1, "gate", **verdict("undecided", "r001-pac", 9, 10))
    put(space, 2, "diverged")
    put(space, 2, "gate", **verdict("undecided", "r002-pac", 0, 0))
    put(space, 3, "begin", champion="r000-pac")
    assert start_policy(space, 3) == "r001-pac"


def test_nothing_is_learned_from_nothing(space):
    with pytest.raises(LoopError, match="no demonstrations"):
        append(space, 0, silent)
    with pytest.raises(LoopError, match="no append yet"):
        learn(space, 1, silent)


def demonstrations(space, episodes):
    return add_demonstrations(
        space.folder, task="pacloop/stack", episodes=episodes, seed=0, clean=True, bare=False, progress=silent
    )


def test_episodes_that_went_missing_are_noticed(space):
    demonstrations(space, 1)
    put(space, 1, "collect", **tally(1, 10))
    with pytest.raises(LoopError, match="round 1 collected 10 episodes, but the dataset holds 0"):
        append(space, 1, silent)


@pytest.fixture
def collected(space):
    """Three demonstrations, from which round 0 learned, and two episodes of round 1."""
    demo = demonstrations(space, 3)
    append(space, 0, silent)
    made = list(space.store.episodes(demo))[:2]
    space.store.append(made, batch_id="r001-collect-00000", source="collection", round=1)
    put(space, 1, "collect", **tally(2, 2))
    return demo


def test_excluded_episodes_are_not_missing_and_do_not_count(space, collected):
    store = space.store
    store.exclude(f"{collected.id}/0", reason="knocked over", by="ann")
    store.exclude("r001-collect-00000/1", reason="knocked over", by="ann")
    outcome = append(space, 1, silent)
    kept = [row for row in store.iter_rows() if row.id not in store.excluded()]
    assert (outcome.episodes, outcome.rows) == (3, sum(row.length for row in kept))
    assert outcome.sources == {"demonstration": 2, "collection": 1}
    assert outcome.excluded == 2
    assert len(outcome.snapshot.excluded) == 2
    store.exclude("r001-collect-00000", reason="all of it", by="ann")
    assert append(space, 1, silent) == outcome, "a round that pinned its data keeps it"


def test_a_collection_that_is_excluded_as_a_whole_is_not_missing(space, collected):
    space.store.exclude("r001-collect-00000", reason="wrong gripper", by="ann")
    assert append(space, 1, silent).sources == {"demonstration": 3}


def test_rows_from_which_the_starting_policy_has_not_learned(space, collected, put_policy):
    put_policy("r000-pac", 0)
    rows = {row.id: row.length for row in space.store.iter_rows()}
    space.store.exclude(f"{collected.id}/2", reason="knocked over", by="ann")
    space.store.exclude("r001-collect-00000/1", reason="knocked over", by="ann")
    pinned = append(space, 1, silent)
    assert fresh_rows(space, pinned, "r000-pac") == rows["r001-collect-00000/0"]
