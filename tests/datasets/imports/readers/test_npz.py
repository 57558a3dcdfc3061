import zipfile

import numpy as np
import pytest
from foreign import SCHEMA, write_npz

from pacloop.datasets import DatasetError
from pacloop.datasets.imports.readers.npz import episodes as read
from pacloop.datasets.imports.readers.raw import ReadOptions, Unreadable


def test_what_numpy_wrote_comes_back(tmp_path, episodes, options, agree):
    path = write_npz(tmp_path / "n", episodes, SCHEMA)
    found = list(read(path, options))
    agree(found, episodes)
    assert [(raw.where, raw.seed, raw.instruction) for raw in found] == [
        (f"episode_{n}.npz", n, "stack the cubes") for n in range(3)
    ]
    agree(list(read(path / "episode_1.npz", options)), episodes[1:2])


def test_objects_are_not_unpickled(tmp_path, options):
    np.savez(tmp_path / "x.npz", action=np.array([print], object))
    (found,) = read(tmp_path, options)
    assert found == Unreadable("x.npz", "action.npy holds Python objects, which are not read")


@pytest.mark.parametrize("what", ["seed", "score", "terminal"])
def test_a_fact_that_is_no_real_number(tmp_path, options, what):
    np.savez(tmp_path / "x.npz", action=np.zeros((3, 1)), **{what: np.array([1 + 2j])})
    (found,) = read(tmp_path, options)
    assert found == Unreadable("x.npz", f"{what} is complex128, but must be a number")


def test_a_terminal_flag_before_the_end(tmp_path, options):
    np.savez(tmp_path / "x.npz", action=np.zeros((3, 1)), terminal=np.array([False, True, False]))
    (found,) = read(tmp_path, options)
    assert found == Unreadable("x.npz", "terminal is set at step 1, before the last of 3")


def test_a_seed_is_not_rounded(tmp_path, options):
    np.savez(tmp_path / "x.npz", action=np.zeros((3, 1)), seed=3.7)
    (found,) = read(tmp_path, options)
    assert found == Unreadable("x.npz", "seed is 3.7, but must be a whole number")


def test_claims_are_checked_before_they_are_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", action=np.zeros((2**20, 16), np.float32))
    (found,) = read(tmp_path, ReadOptions((), 2**20))
    assert "claims 64 MiB" in found.reason


def test_only_the_observations_before_the_actions(tmp_path, options):
    np.savez(tmp_path / "x.npz", obs=np.arange(6.0).reshape(3, 2), actions=np.zeros((3, 1)))
    (found,) = read(tmp_path, options)
    assert found.observation["observation"].tolist() == [[0, 1], [2, 3], [4, 5], [4, 5]]
    assert found.reward is None
    assert found.terminal is None


def test_what_is_no_npz(tmp_path, options):
    with pytest.raises(DatasetError, match=r"has no \.npz file"):
        list(read(tmp_path, options))
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    (found,) = read(tmp_path, options)
    assert found.reason == "x.npz has no array action, only readme.txt"
