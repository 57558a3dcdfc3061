"""Comparisons that are worth less than they say are named, with the episodes that give them away."""

import re
from dataclasses import replace

import numpy as np
import pytest
from recorded import record

from pacloop.datasets import Episode
from pacloop.loop.episodes.play import Session
from pacloop.loop.gate import remarks as degenerate
from pacloop.loop.gate.remarks import same_start, with_remarks
from pacloop.loop.progress import silent


def episode(space, seed, start, end=0.0):
    schema = space.task.schema
    observation = {name: np.full((2, *f.shape), start, np.float32) for name, f in schema.observation.items()}
    for value in observation.values():
        value[1] = end
    size = schema.action.shape
    return Episode(
        observation,
        np.zeros((1, *size), np.float32),
        np.zeros(1, np.float32),
        np.zeros(1, np.float32),
        0.0,
        seed,
    )


class Pool:
    """Begins every episode with the same numbers, or none, and remembers the seeds."""

    def __init__(self, space, again):
        self.space, self.again, self.seeds = space, again, []

    def start(self, seed):
        self.seeds.append(seed)
        if self.again is None:
            return None
        made = episode(self.space, 0, self.again)
        return {name: value[0] for name, value in made.observation.items()}


@pytest.fixture
def judged(space):
    """The remarks on a gate whose episodes had these starts and ends."""

    def judged(starts, ends, again=1.0, arm="collection", failed=()):
        for stage, source, first in (("collect", "collection", 100), ("gate", "evaluation", 0)):
            made = [
                episode(space, first + i, start + (stage == "collect" and len(set(starts)) > 1) * 50, end)
                for i, (start, end) in enumerate(zip(starts, ends))
            ]
            origin = {"policy": "r001-pac", "stage": stage, "failed": failed}
            space.store.append(made, batch_id=f"r001-{stage}-00000", source=source, round=1, origin=origin)
        verdict = record("gate", champion_arm=arm)
        pool = Pool(space, again)
        return with_remarks(Session(space, lambda: pool, silent), 1, verdict), pool

    return judged


def test_an_ordinary_gate_has_no_remarks(judged):
    verdict, pool = judged([1, 2, 3], [4, 5, 6])
    assert (verdict.remarks, verdict.reason) == ((), "because")
    assert pool.seeds == [0], "one episode is begun again"


def test_identical_trajectories_are_counted(judged):
    verdict, _ = judged([1, 2, 1, 1], [4, 5, 4, 4])
    assert verdict.remarks[0] == (
        "2 of 4 episodes of r001-pac are identical to others, step by step: "
        "they count as trials, but are none"
    )
    assert verdict.reason.startswith("because; 2 of 4 episodes of r001-pac are identical")


def test_an_environment_that_always_starts_alike(judged):
    verdict, pool = judged([1, 1, 1], [4, 5, 6])
    assert verdict.remarks == ("every episode began in the same state: the environment ignores its seed",)
    assert pool.seeds == []


def test_a_canary_tells_of_starts_that_are_random_but_not_by_seed(judged):
    verdict, _ = judged([1, 2, 3], [4, 5, 6], again=1.5)
    assert verdict.remarks == ("seed 0 did not bring its start state back: the environment ignores its seed",)


def test_a_canary_that_cannot_be_begun_tells_nothing(judged):
    verdict, pool = judged([1, 2, 3], [4, 5, 6], again=None)
    assert verdict.remarks == () and pool.seeds == [0]


def test_what_could_not_be_played_is_told_with_the_last_cause(judged):
    failed = [{"seed": seed, "reason": f"seed {seed}: RuntimeError: stuck"} for seed in (7, 9)]
    verdict, _ = judged([1, 2, 3], [4, 5, 6], failed=failed)
    for what in ("failures", "successes"):
        told = f"2 episodes of r00. could not be played, and count as {what}: seed 9: RuntimeError: stuck"
        assert any(re.fullmatch(told.replace("r00.", r"r00\d-pac"), remark) for remark in verdict.remarks)


def test_where_the_world_cannot_be_put_back_no_canary_is_played(judged):
    verdict, pool = judged([1, 2, 3], [4, 5, 6], again=1.5, arm="fresh")
    assert verdict.remarks == () and pool.seeds == []


def test_the_same_start_by_hand(space):
    one, two = episode(space, 1, 0.0), episode(space, 2, 0.0)
    assert same_start([one, two])
    assert not same_start([one, replace(one)]), "one seed must start alike"
    assert not same_start([one, episode(space, 2, 0.1)])
    assert not same_start([]) and degenerate.LOOKED_AT == 2
