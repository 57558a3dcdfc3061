"""Wilson's interval against published figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacloop.loop.statistics.wilson import wilson


@pytest.mark.parametrize(
    ("successes", "n", "interval"),
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_the_examples_of_newcombe_1998(successes, n, interval):
    """Newcombe (1998), Stat. Med. 17, table I, method 3."""
    assert wilson(successes, n) == pytest.approx(interval, abs=5e-5)


def test_nothing_is_known_of_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, st.sampled_from([0.6, 0.8, 0.9]))
def test_intervals_hold_the_rate_mirror_and_nest(count, confidence):
    successes, n = count
    low, high = wilson(successes, n, confidence=confidence)
    assert 0.0 <= low <= successes / n + 1e-12 and successes / n - 1e-12 <= high <= 1.0
    assert wilson(n - successes, n, confidence=confidence) == pytest.approx((1 - high, 1 - low), abs=1e-12)
    wider = wilson(successes, n, confidence=0.95)
    assert wider[0] <= low + 1e-12 and high - 1e-12 <= wider[1]
    more = wilson(4 * successes, 4 * n, confidence=confidence)
    assert more[1] - more[0] < high - low
