"""Seeds are tried twice, and none is lost or counted twice, whoever is lost on the way."""

import numpy as np

from pacloop.actors.rollout.shares import Shares
from pacloop.actors.rollout.slot import Failure
from pacloop.datasets import Episode


def episode(seed):
    nothing = np.zeros(0, np.float32)
    return Episode({}, np.zeros((0, 1), np.float32), nothing, nothing, 0.0, seed)


def waiting(shares):
    return [share.missing for share in shares.waiting]


def test_seeds_are_dealt_out_to_all_actors():
    assert waiting(Shares(range(5), actors=2, environments=3)) == [[0, 2, 4], [1, 3]]
    assert waiting(Shares(range(1), actors=2, environments=3)) == [[0]]


def test_a_failure_counts_when_it_happens_again():
    shares = Shares([1, 2], actors=1, environments=2)
    share = shares.waiting.popleft()
    assert shares.hear(share, Failure(1, "once")) is None
    assert shares.hear(share, episode(2)).seed == 2
    assert shares.hear(share, episode(2)) is None, "nothing counts twice"
    assert shares.end(share, "t", "") is None
    share = shares.waiting.popleft()
    assert share.missing == [1]
    assert shares.hear(share, Failure(1, "twice")) == Failure(1, "twice")
    assert shares.end(share, "t", "") is None and not shares.waiting


def test_where_an_actor_is_lost_those_it_was_at_are_tried_again_alone():
    shares = Shares(range(6), actors=1, environments=2)
    share = shares.waiting.popleft()
    shares.hear(share, episode(1))
    assert shares.end(share, "t", "it died") is None
    assert waiting(shares) == [[3, 4, 5], [0], [2]], "3 to 5 had not begun"
    shares.waiting.popleft()
    share = shares.waiting.popleft()
    assert shares.end(share, "t", "it died again") == Failure(0, "t, seed 0: it died again")
    assert waiting(shares) == [[2]]


def test_who_was_beside_a_lost_one_may_still_fail_once():
    shares = Shares([0, 1], actors=1, environments=2)
    assert shares.end(shares.waiting.popleft(), "t", "it died") is None
    shares.waiting.popleft()
    share = shares.waiting.popleft()
    assert share.missing == [1] and shares.hear(share, Failure(1, "raised")) is None
    assert shares.end(share, "t", "") is None
    share = shares.waiting.popleft()
    assert shares.hear(share, Failure(1, "raised again")) == Failure(1, "raised again")


def test_an_actor_that_never_began_says_nothing_about_seeds():
    shares = Shares([7], actors=1, environments=1)
    for _ in range(5):
        assert shares.end(shares.waiting.popleft(), "t", "no memory", blameless=True) is None
        assert waiting(shares) == [[7]]
