"""Pairs: p-values by hand, the level by enumeration, what pairing is worth."""

from itertools import product

import numpy as np
import pytest

from pacloop.loop.statistics.paired import PairedTest, pairing


def scores(pairs):
    """Champion's and candidate's scores of pairs told as w(on), l(ost), t(ied)."""
    champion = [float(pair in "lt") for pair in pairs]
    return np.array(champion), np.array([float(pair in "wt") for pair in pairs])


@pytest.mark.parametrize(
    ("pairs", "chance"),
    [
        ("wwwww", 1 / 32),
        ("wwwwl", 6 / 32),
        ("wttwl", 4 / 8),
        # The first look promotes five wins of five and no fewer: that chance is spent in all of these.
        ("wwwwlwwwww", 1 / 32 + 5 / 1024),
        ("wwwlwlwwww", 1 / 32 + (25 + 10 + 5) / 1024),
        ("lwwwltwwww", 1 / 32 + (4 * 5 + 1 * 10 + 1 * 5) / 512),
    ],
)
def test_chances_of_fair_coins_by_hand(pairs, chance):
    test = PairedTest(cap=10, block=5, level=0.1)
    assert test.evidence(*scores(pairs), len(pairs)) == pytest.approx(-np.log(chance))


def test_the_level_is_spent_with_the_pairs():
    test = PairedTest(cap=10, block=5, level=0.1)
    assert np.exp([-test.boundary(5), -test.boundary(10)]) == pytest.approx([0.05, 0.1])


@pytest.mark.parametrize("decided", [0.3, 0.7, 1.0])
def test_the_level_holds_for_all_sequences(decided):
    """Every sequence of six pairs with its chance, where the candidate is exactly no better."""
    test, wrong = PairedTest(cap=6, block=2, level=0.3), 0.0
    weight = {"w": decided / 2, "l": decided / 2, "t": 1 - decided}
    for pairs in product("wlt", repeat=6):
        champion, candidate = scores(pairs)
        if any(test.evidence(champion[:n], candidate[:n], n) > test.boundary(n) for n in (2, 4, 6)):
            wrong += np.prod([weight[pair] for pair in pairs])
    assert 0.0 < wrong <= 0.3 if decided > 0.5 else wrong <= 0.3


def test_what_no_pair_can_change_is_over():
    test = PairedTest(cap=20, block=5, level=0.05)
    assert test.can_still_promote(*scores("l" * 5), 5)
    assert not test.can_still_promote(*scores("l" * 10), 10)
    assert not test.can_still_promote(*scores("t" * 20), 20)


def test_what_pairing_is_worth_by_hand():
    found = pairing(np.array([1.0, 1, 0, 0]), np.array([1.0, 0, 0, 0]))
    assert found.correlation == pytest.approx(0.125 / (0.25 * 0.1875) ** 0.5, abs=1e-4)
    assert found.saved == pytest.approx(0.25 / 0.4375, abs=1e-4)
    assert not found.pays and "save nothing that can be measured" in found.sentence()


def test_a_correlation_that_is_sure_is_offered():
    rng = np.random.default_rng(0)
    luck = rng.random(400)
    alike = pairing((luck < 0.6).astype(float), (luck < 0.7).astype(float))
    assert alike.pays and alike.interval[0] > 0.7 and "pairs save about 8" in alike.sentence()
    apart = pairing((rng.random(400) < 0.6).astype(float), (rng.random(400) < 0.7).astype(float))
    assert not apart.pays
    assert "cannot be told" in pairing(np.ones(5), np.array([1.0, 0, 1, 0, 1])).sentence()
