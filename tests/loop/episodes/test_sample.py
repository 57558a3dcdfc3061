"""Which episodes count as whose: once for the gate, the alarm and the table."""

import pytest
from recorded import play, play_collection, put

from pacloop.loop.episodes.sample import champion_sample, collections, fresh, sample_of, scores
from pacloop.loop.gate.alarm import champion_record


@pytest.fixture
def collected(space):
    play_collection(space, 1, "r000-pac", 15, 30)
    play_collection(space, 2, "r001-pac", 21, 30)
    play_collection(space, 3, "r001-pac", 12, 30)
    return space


def test_a_champions_collections_add_up(collected):
    sample = champion_sample(collected, 3, "r001-pac")
    assert (sample.successes, sample.episodes, sample.rate) == (33, 60, pytest.approx(0.55))
    low, high = sample.interval
    assert 0.4 < low < 0.55 < high < 0.7


@pytest.fixture
def returned(collected):
    """`r001-pac` collected in rounds 2 and 3, was beaten there, and came back by a rollback after round 3."""
    for policy in ("r000-pac", "r001-pac", "r003-pac"):
        collected.policy_folder(policy).mkdir(parents=True)
        (collected.policy_folder(policy) / "policy.json").write_text("{}")
    for policy, number, action in (
        ("r000-pac", 0, "first"),
        ("r001-pac", 1, "promote"),
        ("r003-pac", 3, "promote"),
    ):
        collected.registry.install(policy, reason="why", by="gate", round=number, action=action)
    put(collected, 3, "begin", champion="r001-pac")
    collected.registry.rollback(reason="why", by="anna")
    return collected


def test_a_champion_that_comes_back_begins_anew(returned):
    """What it had collected was beaten by a candidate: an unlucky sample more often than a lucky one."""
    assert champion_sample(returned, 3, "r001-pac").episodes == 0
    assert champion_record(returned) is None
    play_collection(returned, 4, "r001-pac", 20, 30)
    assert champion_sample(returned, 4, "r001-pac").episodes == champion_record(returned).episodes == 30
    assert champion_sample(returned, 4, "r000-pac").episodes == 30, "who reigned once keeps what it has"


def test_only_rounds_up_to_the_gates_own_count(collected):
    counts = [champion_sample(collected, 2, policy).episodes for policy in ("r000-pac", "r001-pac", "x")]
    assert counts == [30, 30, 0]
    batches = collected.store.batches()
    assert [b.round for b in collections(batches, "r001-pac")] == [2, 3]
    assert [b.round for b in collections(batches, "r001-pac", 2)] == [2]


def test_scores_between_0_and_1_count_as_they_are(space):
    batch = play(space, 1, "collect", "a", [0.25, 1.0, 0.5], source="collection")
    assert sample_of([batch]).score_sum == 1.75
    assert scores(space, [batch]).tolist() == [0.25, 1.0, 0.5]
    binary = play(space, 2, "collect", "a", [0, 1, 1], source="collection")
    assert scores(space, [batch, binary]).tolist() == [0.25, 1.0, 0.5, 1.0, 1.0, 0.0], "ones first"


def test_what_was_selected_is_not_fresh(space):
    for stage, source in (("race-n4", "evaluation"), ("gate", "evaluation"), ("compare0000", "evaluation")):
        play(space, 1, stage, "old", [1, 1], source=source)
    play(space, 0, "demonstrate", "demonstrator", [1], source="demonstration")
    play(space, 2, "collect", "old", [1, 0, 1], source="collection")
    play(space, 2, "collect", "old", [1], source="collection")
    play(space, 2, "gate-champion", "old", [0, 1])
    play(space, 1, "compare0001-against", "old", [0])
    occasions = fresh(space.store.batches(), "old")
    assert [[batch.episodes for batch in occasion] for occasion in occasions] == [[3, 1], [2], [1]]
