"""The sequential test: evidence by hand, chances against brute force, its level, its power."""

from dataclasses import replace
from itertools import product
from math import comb, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacloop.loop.statistics.chances import follow
from pacloop.loop.statistics.sequential import (
    RATES,
    SequentialTest,
    calibrate,
    crossing_probability,
    looks,
)

CONSTANT = 2.289
"""Of 500 episodes given, a cap of 500 and looks every 10, at level .05."""


def test_evidence_by_hand():
    test = SequentialTest(champion_n=20, cap=40, block=10, level=0.05, constant=2.0)
    # 20 ln .5 + (15 ln .75 + 5 ln .25) - (25 ln .625 + 15 ln .375) = 1.35288
    assert test.evidence(10, 15, 20) == pytest.approx(sqrt(2 * 1.35288), abs=1e-4)
    assert test.evidence(10, 5, 20) == pytest.approx(-sqrt(2 * 1.35288), abs=1e-4)
    assert test.evidence(0, 20, 20) == pytest.approx(sqrt(2 * 40 * log(2)))
    assert test.evidence(20, 0, 20) == pytest.approx(-sqrt(2 * 40 * log(2)))
    assert test.evidence(0, 0, 10) == test.evidence(20, 10, 10) == test.evidence(10, 5, 10) == 0.0


def test_the_boundary_by_hand():
    test = SequentialTest(champion_n=300, cap=300, block=50, level=0.05, constant=2.0, shape=0.1)
    assert test.boundary(300) == pytest.approx(2.0)
    assert test.boundary(50) == pytest.approx(2.0 * 3.5**0.1)  # I is 150 at the cap and 300/7 at 50


def test_looks_end_at_the_cap():
    assert looks(10, 5) == [5, 10]
    assert looks(12, 5) == [5, 10, 12]
    assert looks(3, 5) == [3]
    assert looks(4, 1) == [1, 2, 3, 4]


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_evidence_grows_with_every_success_of_the_candidate(champion_n, n, data):
    test = SequentialTest(champion_n, 60, 10, 0.05, 2.0)
    champion = data.draw(st.integers(0, champion_n))
    evidence = [test.evidence(champion, candidate, n) for candidate in range(n + 1)]
    assert all(np.diff(evidence) > 0)
    assert np.sign(evidence[-1]) >= 0 >= np.sign(evidence[0])


def brute_force(test, champion_rate, candidate_rate):
    """The chance to promote, by playing every course of a run."""
    total = 0.0
    for champion in range(test.champion_n + 1):
        misses = test.champion_n - champion
        sample = comb(test.champion_n, champion) * champion_rate**champion * (1 - champion_rate) ** misses
        for course in product((0, 1), repeat=test.cap):
            hits = sum(course)
            chance = candidate_rate**hits * (1 - candidate_rate) ** (test.cap - hits)
            crossed = any(
                test.evidence(champion, sum(course[:n]), n) > test.boundary(n)
                for n in looks(test.cap, test.block)
            )
            total += sample * chance * crossed
    return total


@pytest.mark.parametrize(("champion_n", "cap", "block"), [(3, 5, 1), (4, 5, 2), (6, 4, 4), (2, 6, 3)])
def test_crossing_probability_is_that_of_every_course_played_out(champion_n, cap, block):
    test = SequentialTest(champion_n, cap, block, 0.05, constant=1.1)
    pairs = [(0.3, 0.3), (0.5, 0.8), (0.9, 0.6)]
    found = crossing_probability(test, *(np.array(rates) for rates in zip(*pairs)))
    wanted = [brute_force(test, *pair) for pair in pairs]
    assert found == pytest.approx(wanted, rel=1e-9)
    assert min(wanted) > 0.0


def fresh_brute_force(test, champion_rate, candidate_rate):
    """The same with both arms played in step."""
    total = 0.0
    for course in product(product((0, 1), repeat=2), repeat=test.cap):
        s0, s1 = np.cumsum(course, axis=0).T
        chance = champion_rate ** s0[-1] * (1 - champion_rate) ** (test.cap - s0[-1])
        chance *= candidate_rate ** s1[-1] * (1 - candidate_rate) ** (test.cap - s1[-1])
        total += chance * any(
            test.evidence(s0[n - 1], s1[n - 1], n) > test.boundary(n) for n in looks(test.cap, test.block)
        )
    return total


@pytest.mark.parametrize("margin", [0.0, 0.1])
@pytest.mark.parametrize("block", [1, 2])
def test_fresh_arms_cross_as_often_as_every_course_played_out(block, margin):
    test = SequentialTest(0, 5, block, 0.05, constant=1.1, margin=margin)
    pairs = [(0.3, 0.3), (0.5, 0.8), (0.9, 0.6)]
    found = crossing_probability(test, *(np.array(rates) for rates in zip(*pairs)))
    assert found == pytest.approx([fresh_brute_force(test, *pair) for pair in pairs], rel=1e-9)


def test_a_margin_moves_where_evidence_is_nought_and_its_root_is_the_likeliest():
    test = SequentialTest(20, 40, 10, 0.05, 2.0, margin=0.1)
    assert test.evidence(10, 12, 20) == pytest.approx(0.0, abs=1e-6)
    p = np.linspace(1e-6, 0.9 - 1e-6, 200_001)
    tied = (10 * np.log(p) + 10 * np.log1p(-p) + 16 * np.log(p + 0.1) + 4 * np.log(0.9 - p)).max()
    free = 20 * log(0.5) + 16 * log(0.8) + 4 * log(0.2)
    assert test.evidence(10, 16, 20) == pytest.approx(sqrt(2 * (free - tied)), abs=1e-5)


@pytest.mark.parametrize(("champion_n", "cap", "level"), [(5000, 60, 0.01), (60, 1500, 1e-4), (0, 60, 1e-4)])
def test_large_samples_large_caps_and_small_levels_are_exact(champion_n, cap, level):
    test = calibrate(champion_n, cap, cap // 4, level)
    found = crossing_probability(test, BETWEEN, BETWEEN).max()
    assert 0.5 * level < found <= level


def test_a_few_lucky_successes_of_a_rare_event_promote_nobody():
    test = SequentialTest(8000, 1000, 50, 0.005625, constant=3.21, least=8)
    assert test.evidence(4, 7, 50) == 0.0 < test.boundary(50) < test.evidence(4, 8, 50)
    assert not test.can_still_promote(4, 0, 995)
    rare = np.geomspace(1e-4, 0.01, 25)
    assert crossing_probability(test, rare, rare).max() <= 0.005625
    assert crossing_probability(replace(test, least=0), rare, rare).max() > 0.02


def test_collections_that_make_the_candidate_cannot_raise_the_level():
    """Whatever a candidate no better than the champion makes of the collection's luck, by enumeration."""
    test, rate = calibrate(40, 40, 10, 0.05), 0.6
    counts = np.arange(41)
    chance = np.array([comb(40, int(s)) * rate**s * (1 - rate) ** (40 - s) for s in counts])
    crossed = {}
    for true in (rate, 0.45, 0.2):
        plan = test.plan(stopping=False)
        given = [
            follow(
                replace(
                    plan,
                    champion_n=1,
                    rows=np.array([0]),
                    promote_at=plan.promote_at[:, [s]],
                    give_up_at=plan.give_up_at[:, [s]],
                ),
                np.array([rate]),
                np.array([true]),
            ).promoted[0]
            for s in counts
        ]
        crossed[true] = np.array(given)
    honest = float(chance @ crossed[rate])
    assert honest == pytest.approx(crossing_probability(test, np.array([rate]), np.array([rate]))[0])
    for lucky in (counts < 24, counts > 24, counts % 2 == 0):
        for worse in (0.45, 0.2):
            assert float(chance @ np.where(lucky, crossed[rate], crossed[worse])) <= honest <= 0.05


@pytest.mark.parametrize(("champion_n", "cap", "block"), [(4, 6, 2), (7, 5, 1)])
def test_futility_is_what_no_continuation_can_change(champion_n, cap, block):
    test = SequentialTest(champion_n, cap, block, 0.05, constant=1.3)
    seen = set()
    for n, champion in product(looks(cap, block), range(champion_n + 1)):
        for candidate in range(n + 1):
            wanted = any(
                test.evidence(champion, candidate + more, later) > test.boundary(later)
                for later in looks(cap, block)
                if later > n
                for more in range(later - n + 1)
            )
            assert test.can_still_promote(champion, candidate, n) is wanted
            seen.add(wanted)
    assert seen == {True, False}


BETWEEN = np.sort(np.concatenate([np.arange(1, 400, 2) / 400, [0.0005, 0.001, 0.999, 0.9995]]))


@pytest.mark.parametrize(
    ("champion_n", "cap", "block", "level"),
    [
        (20, 20, 5, 0.05),
        (50, 60, 10, 0.05),
        (150, 200, 50, 0.05),
        (300, 300, 50, 0.05),
        (300, 300, 50, 0.004),
    ],
)
def test_the_level_holds_at_rates_it_was_not_calibrated_on(champion_n, cap, block, level):
    assert not set(BETWEEN) & set(RATES)
    test = calibrate(champion_n, cap, block, level)
    assert crossing_probability(test, BETWEEN, BETWEEN).max() <= level
    worse = crossing_probability(test, BETWEEN, 0.9 * BETWEEN)
    assert (worse <= crossing_probability(test, BETWEEN, BETWEEN)).all()


def test_the_constant_is_the_smallest_to_a_hundredth():
    test = calibrate(50, 60, 10, 0.05)
    looser = SequentialTest(50, 60, 10, 0.05, test.constant - 0.01)
    assert crossing_probability(looser, RATES, RATES).max() > 0.05


def test_published_level_and_power():
    """300 champion episodes, up to 500 candidate episodes one by one, constant 2.39: level and power."""
    test = SequentialTest(300, 500, 1, 0.05, constant=2.39, shape=0.1)
    null = np.linspace(0.1, 0.9, 9)
    champion = np.array([*null, 0.5, 0.6, 0.7, 0.8, 0.85])
    candidate = np.array([*null, 0.6, 0.75, 0.8, 0.9, 0.93])
    found = crossing_probability(test, champion, candidate)
    assert 0.046 < found[:9].max() < 0.052  # what a constant 0.02 more or less would give
    assert found[9:] == pytest.approx([0.76, 0.99, 0.85, 0.96, 0.92], abs=0.03)


STEP = np.array([(0.90, 257), (1.00, 130), (0.95, 223), (1.00, 161), (0.99, 192)]).T
"""Power and episodes in each arm of STEP (arXiv 2503.10966) at level .05 and cap 500."""


def test_power_and_episodes_beside_the_best_published_test():
    """500 episodes given, looks every 10, the constant of the default shape: five pairs of rates."""
    test = SequentialTest(500, 500, 10, 0.05, constant=CONSTANT, least=8)
    champion, candidate = np.array([0.5, 0.6, 0.7, 0.8, 0.85]), np.array([0.6, 0.75, 0.8, 0.9, 0.93])
    found = follow(test.plan(), champion, candidate)
    assert (found.promoted >= STEP[0] - 0.03).all()
    assert (found.episodes / (2 * STEP[1])).mean() <= 0.42
    assert crossing_probability(test, BETWEEN[::4], BETWEEN[::4]).max() <= 0.05


def test_power_grows_with_the_gain_and_with_the_episodes():
    champion, candidate = np.full(5, 0.5), np.array([0.5, 0.55, 0.6, 0.7, 0.8])
    small, large = calibrate(50, 60, 10, 0.05), calibrate(150, 200, 50, 0.05)
    few, many = (crossing_probability(test, champion, candidate) for test in (small, large))
    assert all(np.diff(few) > 0) and all(np.diff(many) > 0)
    assert all(many[2:] > few[2:])
    assert many[-1] > 0.99
    stricter = crossing_probability(calibrate(50, 60, 10, 0.01), champion, candidate)
    assert all(stricter < few)


def test_looking_more_rarely_with_the_same_boundary_is_more_cautious():
    often, rarely = (SequentialTest(50, 60, block, 0.05, 2.0) for block in (5, 20))
    assert (crossing_probability(rarely, RATES, RATES) < crossing_probability(often, RATES, RATES)).all()
