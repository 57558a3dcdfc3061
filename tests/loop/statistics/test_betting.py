"""Betting: wealth by hand, its level by simulation, intervals that hold at every look."""

import numpy as np
import pytest

from pacloop.loop.statistics.betting import GRID, SHARES, BettingTest, interval, log_wealth


def test_wealth_by_hand():
    scores = np.array([1.0, 0.25, 1.0])
    # one share b: (1 - b + b / .5)^2 (1 - b + b .25 / .5)
    wanted = np.mean([(1 + b) ** 2 * (1 - b / 2) for b in SHARES])
    assert np.exp(log_wealth(scores, np.array([0.5])))[0] == pytest.approx(wanted)
    assert log_wealth(np.zeros(0), np.array([0.3, 0.5])) == pytest.approx([0.0, 0.0], abs=1e-12)


def test_wealth_falls_with_the_mean_and_grows_with_scores():
    scores = np.random.default_rng(0).random(50)
    assert (np.diff(log_wealth(scores, GRID[1:])) < 0).all()
    assert log_wealth(np.append(scores, 0.9), np.array([0.5]))[0] > log_wealth(scores, np.array([0.5]))[0]


def test_expected_wealth_is_one_at_the_mean():
    pairs = [(0, 0), (0, 1), (1, 0), (1, 1)]
    wealth = [np.exp(log_wealth(np.array(pair, float), np.array([0.3])))[0] for pair in pairs]
    assert np.dot(wealth, [0.49, 0.21, 0.21, 0.09]) == pytest.approx(1.0)


def test_the_evidence_is_the_smallest_over_all_means():
    test, rng = BettingTest(40, 80, 10, 0.05, margin=0.05), np.random.default_rng(1)
    champion, candidate = rng.beta(2, 3, 40), rng.beta(4, 2, 60)
    fine = np.linspace(0.0005, 0.9995, 1999)
    exact = (log_wealth(1 - champion, 1 - fine) + log_wealth(candidate, fine + 0.05)).min()
    found = test.evidence(champion, candidate, 60)
    assert exact - 0.3 < found <= exact


def wrong(test, rng, trials, candidate_of):
    """Share of runs that ever exceed the boundary with a candidate that is no better."""
    count = 0
    for _ in range(trials):
        n0 = test.champion_n or test.cap
        champion = rng.beta(2, 2, n0)
        candidate = candidate_of(champion, rng, test.cap)
        count += any(
            test.evidence(champion if test.champion_n else champion[:n], candidate[:n], n) > test.boundary(n)
            for n in range(test.block, test.cap + 1, test.block)
        )
    return count / trials


def equal(champion, rng, n):
    return rng.beta(2, 2, n)


def lucky(champion, rng, n):
    """As good as the champion after an unlucky collection, wide or narrow as its luck; worse otherwise."""
    spread = 0.3 if champion[0] > 0.5 else 20.0
    return rng.beta(spread, spread, n) * (1.0 if champion.mean() < 0.5 else 0.8)


@pytest.mark.parametrize("champion_n", [0, 60])
@pytest.mark.parametrize("candidate_of", [equal, lucky])
def test_the_level_holds(champion_n, candidate_of):
    test = BettingTest(champion_n, 80, 20, 0.1)
    assert wrong(test, np.random.default_rng(2), 80, candidate_of) <= 0.1


@pytest.mark.parametrize("champion_n", [0, 300])
def test_a_clear_gain_is_found(champion_n):
    test, rng = BettingTest(champion_n, 300, 50, 0.05), np.random.default_rng(3)
    champion, candidate = rng.beta(2, 2, 300), rng.beta(4, 2, 300)
    assert test.evidence(champion, candidate, 300) > test.boundary(300)
    assert test.evidence(candidate, champion, 300) < 0


def test_what_perfect_scores_cannot_change_is_over():
    test = BettingTest(50, 60, 10, 0.05)
    champion = np.full(50, 0.9)
    assert not test.can_still_promote(champion, np.zeros(50), 50)
    assert test.can_still_promote(np.full(50, 0.1), np.zeros(10), 10)
    assert not test.can_still_promote(np.full(50, 0.1), np.ones(60), 60)


def test_intervals_hold_at_every_look():
    rng, missed = np.random.default_rng(4), 0
    for _ in range(100):
        scores = (rng.random(200) < 0.7).astype(float)
        found = [interval(scores[:n]) for n in range(50, 201, 50)]
        missed += any(not low <= 0.7 <= high for low, high in found)
    assert missed <= 5
    low, high = interval((np.arange(1000) < 700).astype(float))
    assert 0.62 < low < 0.68 < 0.72 < high < 0.78
    assert interval(np.zeros(0)) == (0.0, 1.0)
