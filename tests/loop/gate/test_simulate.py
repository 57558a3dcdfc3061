"""`gate simulate`: what it computes against comparisons that are drawn, fixed-n by hand, refusals."""

import numpy as np
import pytest

from pacloop.loop.errors import LoopError
from pacloop.loop.gate.simulate import Scenario, fixed_n_per_arm, simulate

TRIALS = 20_000


def drawn(scenario, candidate):
    """Share promoted and mean candidate episodes of comparisons that are drawn, look by look."""
    plan, rng = scenario.test().plan(), np.random.default_rng(0)
    steps = np.diff(plan.looks, prepend=0)
    s1 = rng.binomial(steps, candidate, (TRIALS, len(steps))).cumsum(1)
    s0 = rng.binomial(steps, scenario.champion, s1.shape).cumsum(1)
    if scenario.collected:
        s0 = np.broadcast_to(rng.binomial(scenario.collected, scenario.champion, (TRIALS, 1)), s1.shape)
    row, look = np.searchsorted(plan.rows, s0, side="right") - 1, np.arange(len(steps))
    over = s1 >= plan.promote_at[look, row]
    stops = over | (s1 < plan.give_up_at[look, row])
    stops[:, -1] = True
    end = stops.argmax(1)
    return over[np.arange(TRIALS), end].mean(), plan.looks[end].mean()


@pytest.mark.parametrize("collected", [80, 0])
@pytest.mark.parametrize("futility", [0.0, 0.03])
def test_what_is_computed_agrees_with_what_is_drawn(collected, futility):
    scenario = Scenario(0.5, 0.7, cap=80, collected=collected, futility=futility)
    result = simulate(scenario)
    promoted, episodes = drawn(scenario, scenario.candidate)
    assert promoted == pytest.approx(result.promoted, abs=0.012)
    assert episodes == pytest.approx(result.candidate_episodes, rel=0.02)
    wrong, _ = drawn(scenario, scenario.champion)
    assert wrong <= result.wrong_promotions + 0.006
    assert 0.035 < result.wrong_promotions <= 0.05
    assert result.champion_episodes == (0.0 if collected else result.candidate_episodes)


def test_giving_up_costs_the_stated_power_and_saves_episodes():
    whole, short = (
        simulate(Scenario(0.6, 0.7, cap=120, collected=120, futility=futility)) for futility in (0.0, 0.02)
    )
    assert 0 < whole.promoted - short.promoted <= 0.02
    assert short.candidate_episodes < 0.95 * whole.candidate_episodes
    assert short.wrong_promotions == whole.wrong_promotions <= 0.05


def test_a_margin_asks_for_more():
    plain, strict = (
        simulate(Scenario(0.5, 0.75, cap=100, collected=100, margin=margin)) for margin in (0.0, 0.1)
    )
    assert strict.wrong_promotions <= 0.05
    assert strict.promoted < plain.promoted - 0.2


def test_fixed_n_by_hand():
    # (1.644854 sqrt(2 .75 .25) + .841621 sqrt(.21 + .16))^2 / .01
    assert fixed_n_per_arm(0.7, 0.8, 0.05, 0.8) == 231
    assert fixed_n_per_arm(0.7, 0.7, 0.05, 0.8) is None
    assert fixed_n_per_arm(0.7, 0.8, 0.05, 0.8, margin=0.1) is None


def test_rates_at_the_ends_are_computed_too():
    sure = simulate(Scenario(0.0, 1.0, cap=40, block=20, collected=40))
    assert (sure.promoted, sure.candidate_episodes) == (1.0, 20.0)
    assert simulate(Scenario(1.0, 0.0, cap=40, block=20, collected=40)).promoted == 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": 0.0},
        {"alpha": 1e-9},
        {"collected": 0, "cap": 2001},
        {"cap": 5001},
        {"cap": 5},
        {"margin": -0.1},
        {"futility": 1.0},
    ],
)
def test_numbers_that_no_gate_can_obey(wrong):
    numbers = {"champion": 0.5, "candidate": 0.7, "cap": 50, "collected": 50}
    with pytest.raises(LoopError):
        simulate(Scenario(**(numbers | wrong)))
