"""The range of returns that a critic speaks in."""

from dataclasses import replace

import pytest

from pacloop.datasets import DatasetError
from pacloop.learner.config import PacConfig, cover_returns


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.2, 0.4), (0.0, 0.0), (-1e-4, 1.0000001)])
def test_returns_within_the_range_change_nothing(low, high):
    assert cover_returns(PacConfig(), low, high) == PacConfig()


@pytest.mark.parametrize(
    ("low", "high", "least", "most"),
    [
        (-0.7, 1.0, -1.125, 1.425),
        (0.0, 40.0, -10.0, 50.0),
        (-0.7, -0.7, -0.875, -0.525),
        (-3.0, 0.0, -3.75, 0.75),
    ],
)
def test_other_returns_get_a_range_with_room(low, high, least, most):
    covered = cover_returns(PacConfig(), low, high)
    assert (covered.return_minimum, covered.return_maximum) == pytest.approx((least, most))
    assert replace(covered, return_minimum=0.0, return_maximum=1.0) == PacConfig()
    assert cover_returns(covered, low, high) == covered


@pytest.mark.parametrize(("low", "high"), [(float("nan"), 1.0), (0.0, float("inf")), (-1e13, 0.0)])
def test_what_no_critic_can_express_is_refused(low, high):
    with pytest.raises(
        DatasetError, match=r"discounted returns from .* to .*, but a critic needs finite ones"
    ):
        cover_returns(PacConfig(), low, high)
