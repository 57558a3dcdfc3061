import numpy as np
import pytest

from pacloop.datasets import DatasetError
from pacloop.datasets.imports.readers.raw import RawEpisode
from pacloop.datasets.imports.scoring import column_score, constant_score, file_score


def score(scores, **facts):
    raw = RawEpisode(where="x", observation={}, action=None, **facts)
    return scores(raw, {}, np.zeros((2, 1))).score


def test_the_file_s_score_comes_before_the_task_s():
    scores = file_score(lambda rewards: float(rewards.max() >= 1))
    assert score(scores, score=0.5, reward=np.ones(2)) == 0.5
    assert score(scores, reward=np.array([0, 1.0])) == 1
    with pytest.raises(DatasetError, match="neither a score nor rewards"):
        score(scores)
    with pytest.raises(DatasetError, match="does not know the task"):
        score(file_score(None), reward=np.ones(2))


def test_one_score_for_all():
    assert score(constant_score(0.25)) == 0.25
    with pytest.raises(DatasetError, match="score is 2, but"):
        constant_score(2)


def test_a_column_was_ever_set():
    scores = column_score("next.success")
    assert score(scores, columns={"next/success": np.array([False, True, False])}) == 1
    with pytest.raises(DatasetError, match=r"no numbers in a column next\.success"):
        score(scores)
