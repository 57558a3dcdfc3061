"""The gate: how the error budget is spent over rounds, and what is decided on which figures."""

import json
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import record

from pacloop.loop.gate.budget import round_level
from pacloop.loop.gate.comparison import make_test
from pacloop.loop.gate.decision import decide
from pacloop.loop.statistics.sequential import calibrate, crossing_probability
from pacloop.loop.statistics.wilson import wilson
from pacloop.loop.workspace.config import Gate
from pacloop.loop.workspace.verdict import Guarded

TOTAL = 0.05
ROUNDS = 20


def spend(decisions, total=TOTAL):
    """The level of each round, given what the rounds before it decided."""
    earlier = []
    for decision in decisions:
        earlier.append(record("gate", decision=decision, level=round_level(total, earlier)))
    return [verdict.level for verdict in earlier]


def test_levels_by_hand():
    levels = spend(["rejected", "promoted", "promoted", "undecided", "rejected"])
    own = 0.9 * TOTAL / 8
    assert levels == pytest.approx([own, own, 2 * own, 3 * own, own])
    later = spend(["rejected"] * 10)[8:]
    assert later == pytest.approx([0.1 * TOTAL / 2, 0.1 * TOTAL / 6])


@given(st.lists(st.sampled_from(["promoted", "rejected", "undecided"]), max_size=60))
def test_what_is_lost_never_exceeds_the_budget(decisions):
    """Levels of the rounds that did not promote, and of any one more, which may be the first wrong one."""
    levels = spend([*decisions, "rejected"])
    lost = [level for level, decision in zip(levels, decisions) if decision != "promoted"]
    assert sum(lost) + levels[-1] <= TOTAL + 1e-12
    assert min(levels) > 0.0


def test_no_order_of_good_and_bad_candidates_beats_the_budget():
    """The chance of any wrong promotion in 20 rounds, each candidate chosen by an adversary who knows all.

    A bad one is promoted with exactly the round's level, a good one always.
    """

    def worst(earlier):
        if len(earlier) == ROUNDS:
            return 0.0
        level = round_level(TOTAL, earlier)
        bad = level + (1 - level) * worst_after(earlier, "rejected", level)
        return max(bad, worst_after(earlier, "promoted", level))

    known = {}

    def worst_after(earlier, decision, level):
        key = len(earlier), decision, level
        if key not in known:
            known[key] = worst([*earlier, record("gate", decision=decision, level=level)])
        return known[key]

    assert 0.04 < worst([]) <= TOTAL


def test_runs_of_twenty_rounds_are_seldom_wrong():
    """The real gate, on a champion that is never beaten: 300 runs, 0.05 and three standard errors."""
    rng = np.random.default_rng(0)
    config = Gate(level=TOTAL, cap=40, block=10)
    wrong = 0
    for _ in range(300):
        earlier = []
        while len(earlier) < ROUNDS and not wrong_promotion(earlier):
            rate = rng.uniform(0.2, 0.9)
            test = make_test(config, 40, round_level(TOTAL, earlier))
            verdict = play(test, rng.binomial(40, rate), rng.random(40) < rate)
            earlier.append(verdict)
        wrong += wrong_promotion(earlier)
    assert wrong <= 300 * (TOTAL + 3 * (TOTAL / 300) ** 0.5)


def wrong_promotion(earlier):
    return any(verdict.decision == "promoted" for verdict in earlier)


def play(test, champion, outcomes):
    """Look after each block until there is a verdict."""
    for n in range(test.block, test.cap + 1, test.block):
        verdict = decide(
            test,
            names=("old", "new"),
            champion=int(champion),
            candidate=int(outcomes[:n].sum()),
            n=n,
        )
        if verdict:
            return verdict
    raise AssertionError("the cap must bring a verdict")


@pytest.fixture(scope="module")
def test():
    return make_test(Gate(cap=100, block=25), 100, TOTAL)


def verdict_of(test, champion, candidate, n):
    return decide(test, names=("old", "new"), champion=champion, candidate=candidate, n=n)


def test_a_clear_gain_is_promoted_early(test):
    verdict = verdict_of(test, 40, 22, 25)
    assert verdict.decision == "promoted"
    assert verdict.reason == (
        f"88% of 25 against 40% of 100: evidence {verdict.evidence:.2f} exceeds {verdict.boundary:.2f}"
    )
    assert (verdict.champion, verdict.candidate) == ("old", "new")
    assert (verdict.champion_successes, verdict.champion_n) == (40, 100)
    assert (verdict.candidate_successes, verdict.candidate_n) == (22, 25)
    assert verdict.champion_interval == wilson(40, 100) and verdict.candidate_interval == wilson(22, 25)
    assert verdict.evidence == pytest.approx(test.evidence(40, 22, 25), abs=1e-4)
    assert verdict.boundary == pytest.approx(test.boundary(25), abs=1e-4)
    assert (verdict.level, verdict.episodes_saved) == (TOTAL, 75)
    assert json.loads(json.dumps(verdict.model_dump()))["champion_interval"] == list(wilson(40, 100))


def test_what_is_open_is_played_on(test):
    assert verdict_of(test, 40, 12, 25) is None


def test_what_cannot_win_any_more_is_rejected_before_the_cap(test):
    verdict = verdict_of(test, 90, 5, 25)
    assert verdict.decision == "rejected"
    assert verdict.reason.startswith("20% of 25 against 90% of 100: it does worse")
    assert verdict.episodes_saved == 75


def test_at_the_cap_worse_is_rejected_and_a_little_better_is_undecided(test):
    worse, better, much_better = (verdict_of(test, 50, k, 100) for k in (45, 55, 75))
    assert worse.decision == "rejected" and "it does worse" in worse.reason
    assert better.decision == "undecided" and "cannot exceed" in better.reason
    assert much_better.decision == "promoted"
    assert {v.episodes_saved for v in (worse, better, much_better)} == {0}


def test_equal_rates_at_the_cap_promote_nobody(test):
    assert verdict_of(test, 50, 50, 100).decision == "undecided"


@pytest.mark.parametrize(
    ("successes", "says"),
    [
        (0, "neither policy ever succeeded, so there was nothing to compare"),
        (100, "both policies always succeeded, so there was nothing to compare"),
    ],
)
def test_degenerate_comparisons_promote_nobody(test, successes, says):
    verdict = verdict_of(test, successes, successes, 100)
    assert verdict.decision == "undecided" and verdict.evidence == 0.0
    assert verdict.reason.endswith(says)


def guarded(state, candidate=3.0):
    return Guarded(
        name="time_to_success",
        unit="s",
        champion=2.5,
        candidate=candidate,
        champion_n=40,
        candidate_n=20,
        allowed=2.75,
        evidence=1.0,
        boundary=3.0,
        state=state,
    )


def verdict_with(test, state, n=25, candidate=3.0):
    found = [guarded("kept", 2.6), guarded(state, candidate)]
    return decide(test, names=("old", "new"), champion=40, candidate=n * 22 // 25, n=n, guards=found)


def test_a_winner_waits_for_its_guards(test):
    assert verdict_with(test, "open") is None
    promoted = verdict_with(test, "kept", candidate=2.6)
    assert promoted.decision == "promoted" and len(promoted.guards) == 2
    assert promoted.reason.count("no worse: time_to_success 2.6 s against 2.5 s, 2.75 s allowed") == 2


def test_what_a_guard_refuses_names_it(test):
    broken = verdict_with(test, "broken")
    assert broken.decision == "rejected"
    assert "worse than a guard allows: time_to_success 3 s against 2.5 s, 2.75 s allowed" in broken.reason
    worse, unclear = (verdict_with(test, "open", n=100, candidate=seconds) for seconds in (3.0, 2.7))
    assert (worse.decision, unclear.decision) == ("rejected", "undecided")
    assert "exceeds" in unclear.reason and "not shown to be no worse: time_to_success" in unclear.reason


def test_no_worse_by_a_margin():
    """A candidate of the champion's rate is shown to be no worse by 30 points, and not by 5."""
    far, near = (
        make_test(Gate(cap=100, block=25).model_copy(update={"margin": -m}), 100, TOTAL) for m in (0.3, 0.05)
    )
    assert verdict_of(far, 60, 45, 75).decision == "promoted"
    assert verdict_of(near, 60, 30, 50) is None
    assert verdict_of(near, 60, 57, 100).decision == "undecided", "worse, but by less than it may be"
    assert verdict_of(near, 60, 40, 100).decision == "rejected"
    assert "it may be worse by 0.05" in verdict_of(near, 60, 57, 100).reason


@pytest.mark.parametrize("margin", [-0.1, -0.3])
def test_the_level_of_no_worse_by_enumeration(margin):
    """Every pair of counts, at rates that differ by just the margin; 12 + 12 episodes, three looks."""
    test = calibrate(0, 12, 4, 0.2, margin=margin)
    for champion in (0.35, 0.6, 0.9, 0.97):
        exact = walk(test, champion, champion + margin)
        assert exact <= 0.2
        found = crossing_probability(test, np.array([champion]), np.array([champion + margin]))[0]
        assert exact == pytest.approx(found, abs=1e-9)


def walk(test, old, new):
    """Chance to cross, by following every pair of counts from look to look."""
    alive, crossed = {(0, 0): 1.0}, 0.0
    for look in (4, 8, 12):
        later = {}
        for (s0, s1), chance in alive.items():
            for a, b in product(range(5), repeat=2):
                more = comb(4, a) * comb(4, b) * old**a * (1 - old) ** (4 - a) * new**b * (1 - new) ** (4 - b)
                later[s0 + a, s1 + b] = later.get((s0 + a, s1 + b), 0.0) + chance * more
        over = {s for s in later if test.evidence(*s, look) > test.boundary(look)}
        crossed += sum(later[s] for s in over)
        alive = {s: chance for s, chance in later.items() if s not in over}
    return crossed
