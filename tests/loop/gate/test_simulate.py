"""`gate simulate`: simulation against exact figures, fixed-n by hand, refusals."""

import pytest

from pacloop.loop.errors import LoopError
from pacloop.loop.gate.simulate import fixed_n_per_arm, power_png, simulate


@pytest.mark.parametrize("collected", [80, 0])
@pytest.mark.parametrize("futility", [0.0, 0.03])
def test_simulation_agrees_with_the_exact_figures(collected, futility):
    found = simulate(
        champion=0.5, candidate=0.7, cap=80, collected=collected, futility=futility, trials=20_000
    )
    assert found.promoted == pytest.approx(found.promoted_exact, abs=0.012)
    assert found.candidate_episodes == pytest.approx(found.candidate_episodes_exact, rel=0.02)
    assert found.wrong_promotions <= found.wrong_promotions_worst + 0.006
    assert 0.035 < found.wrong_promotions_worst <= 0.05
    assert found.champion_episodes == (0.0 if collected else found.candidate_episodes)


def test_giving_up_costs_the_stated_power_and_saves_episodes():
    whole, short = (
        simulate(champion=0.6, candidate=0.7, cap=120, collected=120, futility=futility, trials=10)
        for futility in (0.0, 0.02)
    )
    assert 0 < whole.promoted_exact - short.promoted_exact <= 0.02
    assert short.candidate_episodes_exact < 0.95 * whole.candidate_episodes_exact
    assert short.wrong_promotions_worst == whole.wrong_promotions_worst <= 0.05


def test_a_margin_asks_for_more():
    plain, strict = (
        simulate(champion=0.5, candidate=0.75, cap=100, collected=100, margin=margin, trials=10)
        for margin in (0.0, 0.1)
    )
    assert strict.wrong_promotions_worst <= 0.05
    assert strict.promoted_exact < plain.promoted_exact - 0.2


def test_fixed_n_by_hand():
    # (1.644854 sqrt(2 .75 .25) + .841621 sqrt(.21 + .16))^2 / .01
    assert fixed_n_per_arm(0.7, 0.8, 0.05, 0.8) == 231
    assert fixed_n_per_arm(0.7, 0.7, 0.05, 0.8) is None
    assert fixed_n_per_arm(0.7, 0.8, 0.05, 0.8, margin=0.1) is None


def test_the_same_numbers_give_the_same_answer():
    numbers = {"champion": 0.5, "candidate": 0.7, "cap": 40, "block": 20, "collected": 40, "trials": 100}
    found = simulate(**numbers)
    assert simulate(**numbers) == found
    assert power_png(found).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "wrong",
    [{"champion": 1.2}, {"alpha": 0.0}, {"alpha": 1e-9}, {"block": 60}, {"collected": 0, "cap": 2001}],
)
def test_numbers_that_no_gate_can_obey(wrong):
    numbers = {"champion": 0.5, "candidate": 0.7, "cap": 50, "collected": 50, "trials": 10}
    with pytest.raises(LoopError):
        simulate(**(numbers | wrong))
