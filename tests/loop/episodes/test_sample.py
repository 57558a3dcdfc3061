"""The champions' samples, once for the gate and the table."""

import pytest

from pacloop.loop.episodes.sample import champion_sample, collections, samples


@pytest.fixture
def collected(space, tally):
    space.write_outcome(1, "collect", tally(15, 30, champion="r000-pac"))
    space.write_outcome(2, "collect", tally(21, 30, champion="r001-pac"))
    space.write_outcome(3, "collect", tally(12, 30, champion="r001-pac"))
    return space


def test_a_champions_collections_add_up(collected):
    found = samples(collected)
    assert {name: (s.successes, s.episodes) for name, s in found.items()} == {
        "r000-pac": (15, 30),
        "r001-pac": (33, 60),
    }
    assert found["r001-pac"].rate == pytest.approx(0.55)
    low, high = found["r001-pac"].interval
    assert 0.4 < low < 0.55 < high < 0.7


def test_only_rounds_up_to_the_gates_own_count(collected):
    assert champion_sample(collected, 2, "r001-pac") == (21, 30)
    assert champion_sample(collected, 3, "r001-pac") == (33, 60)
    assert champion_sample(collected, 3, "r009-pac") == (0, 0)
    assert len(collections(collected, 2)) == 2


def test_scores_between_0_and_1_count_as_they_are(space, tally):
    space.write_outcome(1, "collect", {**tally(1, 4, champion="a"), "rate": 0.5})
    assert samples(space)["a"].score_sum == 2.0
