"""Seeds: no purpose, round or run can draw another's, and all fit where they are kept."""

from itertools import pairwise, product
from typing import get_args

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pacloop.loop.episodes.seeds import POSITIONS, ROUNDS, RUNS, Purpose, episode_seeds
from pacloop.loop.errors import LoopError

owners = st.tuples(st.sampled_from(get_args(Purpose)), st.integers(0, RUNS - 1), st.integers(0, ROUNDS - 1))
positions = st.integers(0, POSITIONS)


def seeds_of(owner, first, last):
    purpose, run, round = owner
    return episode_seeds(purpose, run=run, round=round, first=first, count=last - first)


@given(owners, owners)
def test_owners_never_share_a_seed(one, other):
    assume(one != other)
    left, right = seeds_of(one, 0, POSITIONS), seeds_of(other, 0, POSITIONS)
    assert left[-1] < right[0] or right[-1] < left[0]


def test_neighbours_never_share_a_seed():
    edges = [(0, 1, size - 2, size - 1) for size in (RUNS, ROUNDS)]
    ranges = [seeds_of(owner, 0, POSITIONS) for owner in product(get_args(Purpose), *edges)]
    ranges.sort(key=lambda seeds: seeds[0])
    assert all(one[-1] < following[0] for one, following in pairwise(ranges))


@given(owners, st.lists(positions, min_size=3, max_size=3).map(sorted))
def test_blocks_continue_each_other(owner, cuts):
    first, middle, last = cuts
    left, right, both = (seeds_of(owner, *ends) for ends in ((first, middle), (middle, last), (first, last)))
    assert list(left[-5:]) == list(both[: middle - first][-5:])
    assert list(right[:5]) == list(both[middle - first :][:5])
    assert len(both) == last - first


def test_seeds_fit_64_bits_with_a_sign():
    purpose = get_args(Purpose)[-1]
    last = episode_seeds(purpose, run=RUNS - 1, round=ROUNDS - 1, count=1, first=POSITIONS - 1)[0]
    assert 0 <= last <= np.iinfo(np.int64).max
    assert episode_seeds(get_args(Purpose)[0], run=0, round=0, count=1)[0] == 0


@pytest.mark.parametrize(
    "wrong",
    [{"run": RUNS}, {"run": -1}, {"round": ROUNDS}, {"round": -1}, {"first": -1}, {"count": POSITIONS + 1}],
)
def test_what_would_run_into_anothers_seeds_is_refused(wrong):
    with pytest.raises(LoopError, match=r"no seeds for episodes .* of a run with seed"):
        episode_seeds("gate", **({"run": 0, "round": 0, "count": 1} | wrong))
