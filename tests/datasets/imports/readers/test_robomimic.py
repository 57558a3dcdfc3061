from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from foreign import SCHEMA, write_robomimic

from pacloop.datasets import DatasetError
from pacloop.datasets.imports.readers.raw import ReadOptions, Unreadable
from pacloop.datasets.imports.readers.robomimic import count
from pacloop.datasets.imports.readers.robomimic import episodes as read

PEERS = Path(__file__).parent / "peers"


@pytest.fixture
def path(tmp_path, episodes):
    return write_robomimic(tmp_path, episodes, SCHEMA)


def test_what_h5py_wrote_comes_back(path, episodes, options, agree):
    found = list(read(path, options))
    agree(found, episodes, ends=False)
    assert [raw.where for raw in found] == [f"demo.hdf5, demo_{n}" for n in range(3)]
    assert {raw.control_hz for raw in found} == {20.0}


def test_without_next_obs_the_last_observation_is_repeated(tmp_path, episodes, options, agree):
    found = list(read(write_robomimic(tmp_path, episodes, SCHEMA, next_obs=False), options))
    agree(found, episodes, repeated=True, ends=False)
    assert {raw.info["last_observation"] for raw in found} == {"repeated"}


def test_a_bad_demonstration_does_not_spoil_the_others(path, options):
    with h5py.File(path, "a") as file:
        del file["data/demo_1/actions"]
        file["data/demo_2"].attrs["num_samples"] = 7
    good, bad, short = read(path, options)
    assert not isinstance(good, Unreadable)
    assert bad == Unreadable("demo.hdf5, demo_1", "/data/demo_1 has no actions")
    assert short.reason == "demo_2 counts 7 samples, but holds 1 actions"


def test_a_claim_beyond_memory_is_not_read(path, options):
    with h5py.File(path, "a") as file:
        del file["data/demo_0/obs/hand"]
        file.create_dataset("data/demo_0/obs/hand", shape=(10**9, 10**6), dtype="f4", chunks=True)
    first = next(read(path, options))
    assert "claims 3814697266 MiB" in first.reason


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    "name", ["obs", "next_obs", "obs/hand", "next_obs/hand", "actions", "rewards", "dones"]
)
def test_links_out_of_the_file_are_not_followed(path, options, tmp_path, name, there):
    """Nor is another file opened to see what is there: a link to nowhere is no missing array."""
    other = tmp_path / "other.hdf5"
    if there:
        with h5py.File(other, "w") as file:
            file["secret"] = [1.0]
    with h5py.File(path, "a") as file:
        del file[f"data/demo_0/{name}"]
        file[f"data/demo_0/{name}"] = h5py.ExternalLink(other, "secret")
    assert f"{name} is a link, which is not followed" in next(read(path, options)).reason


def test_a_link_in_the_place_of_all_demonstrations(path, tmp_path):
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["data"] = h5py.ExternalLink(path, "data")
    for look in (count, lambda file: list(read(file, ReadOptions(())))):
        with pytest.raises(DatasetError, match="/data is a link, which is not followed"):
            look(tmp_path / "x.hdf5")


@pytest.mark.parametrize(
    ("dones", "terminal"),
    [([0, 0, 0, 0, 0], False), ([0, 0, 0, 0, 1], None), ([0, 0, 1, 1, 1], None), ([1, 0, 0, 0, 1], "step 0")],
)
def test_dones_say_that_an_episode_goes_on_but_not_that_it_ended(path, options, dones, terminal):
    with h5py.File(path, "a") as file:
        file["data/demo_0/dones"][:] = dones
    found = next(read(path, options))
    if isinstance(found, Unreadable):
        assert found.reason == f"dones is set at {terminal}, before the last of 5"
    else:
        assert found.terminal is terminal


def test_what_robomimic_itself_wrote_comes_back(episodes, agree):
    """The file is of robomimic 0.3.0's `dataset_states_to_obs.py` with `--done_mode 2`: peers/make.py."""
    flat = [
        replace(e, observation={name.replace("/", "_"): a for name, a in e.observation.items()})
        for e in episodes
    ]
    found = list(read(PEERS / "robomimic-0.3.0.hdf5", ReadOptions({"hand", "arm_joints", "image"})))
    agree(found, flat, ends=False)
    assert {raw.control_hz for raw in found} == {20.0}


def test_a_half_downloaded_file(path, options):
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(DatasetError, match=r"demo.hdf5 cannot be read as HDF5: .*truncated file"):
        list(read(path, options))


def test_a_file_that_holds_less_than_it_counts(path, options):
    with h5py.File(path, "a") as file:
        del file["data/demo_1"]
    with pytest.raises(DatasetError, match="counts 15 steps, but holds 6: it was cut short"):
        list(read(path, options))


def test_hdf5_of_another_layout(tmp_path, options):
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["x"] = [1]
    with pytest.raises(DatasetError, match="/ has no data"):
        list(read(tmp_path / "x.hdf5", options))


def test_a_column_is_read_where_it_is_wanted(path):
    found = next(read(path, ReadOptions({"hand", "dones"})))
    assert list(found.columns) == ["dones"]
