"""Policies on disk: they act as before, are written once, and can run nothing."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from pacloop.datasets import DatasetError
from pacloop.datasets.files import _host
from pacloop.learner import checkpoint
from pacloop.learner.checkpoint import (
    PolicyRecord,
    build_policy,
    read_policy,
    read_record,
    read_weights,
    write_policy,
)
from pacloop.learner.policy import Acting, Policy


@pytest.fixture
def network(build):
    return build.pac()


@pytest.fixture
def record(schema, build):
    return PolicyRecord(
        id="p1",
        schema=schema,
        network=build.tiny,
        acting=Acting("q_guided", 3, 0.1),
        lineage={"round": 2, "parent": None, "snapshot": "abc"},
        figures={"loss": 0.25},
    )


@pytest.fixture
def folder(tmp_path, record, network):
    write_policy(tmp_path / "policies" / "p1", record, network.state_dict())
    return tmp_path / "policies" / "p1"


def test_what_is_read_back_is_what_was_written(folder, record, network, schema, build):
    assert read_record(folder) == record
    weights = read_weights(folder)
    assert set(weights) == set(network.state_dict())
    assert all(torch.equal(weights[name], tensor) for name, tensor in network.state_dict().items())
    seen = {name: value.numpy() for name, value in build.observe(20).items()}
    noise = np.random.default_rng(0).random((20, 3, 2), np.float32)
    before = Policy(network, schema, record.acting).act(seen, noise)
    for after in (
        read_policy(folder),
        build_policy(record, (folder / "weights.safetensors").read_bytes()),
    ):
        assert after.acting == record.acting
        np.testing.assert_array_equal(after.act(seen, noise), before)


def test_writing_again_keeps_what_is_there(folder, record, build):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_policy(folder, replace(record, figures={"loss": 9.0}), build.pac(seed=8).state_dict())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["p1"]


def test_a_write_that_died_is_no_policy(tmp_path, record, network, monkeypatch):
    folder = tmp_path / "p1"

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoint, "write_json_atomically", die)
        write_policy(folder, record, network.state_dict())
    with pytest.raises(DatasetError, match="holds no policy"):
        read_record(folder)
    write_policy(folder, record, network.state_dict())
    assert read_record(folder) == record
    assert [path.name for path in tmp_path.iterdir()] == ["p1"]


def test_a_folder_without_a_policy_says_so(tmp_path):
    with pytest.raises(DatasetError, match=r"nowhere holds no policy: policy\.json is missing"):
        read_policy(tmp_path / "nowhere")


def test_a_newer_version_is_refused(folder):
    path = folder / "policy.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 2}))
    with pytest.raises(DatasetError, match=r"policy\.json: version is 2, but this pacloop reads 1"):
        read_policy(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"acting": {"mode": "best"}}, r"acting.mode is 'best', but must be 'sample', 'mode' or"),
        ({"network": {"width": "wide"}}, r"network.width is 'wide', but must be a valid integer"),
        ({"schema": None}, r"schema is None, but must be"),
    ],
)
def test_a_broken_record_is_one_sentence_that_names_the_field(folder, change, says):
    path = folder / "policy.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | change))
    with pytest.raises(DatasetError, match=r"p1/policy\.json: " + says):
        read_record(folder)
    del data["id"]
    path.write_text(json.dumps(data))
    with pytest.raises(DatasetError, match=r"p1/policy\.json: id is missing"):
        read_record(folder)
    path.write_text("[]")
    with pytest.raises(DatasetError, match=r"p1/policy\.json: its content is \[\], but"):
        read_record(folder)


def test_a_record_of_before_is_read(folder, record):
    """It named a temperature of the pick, which was 0."""
    path = folder / "policy.json"
    data = json.loads(path.read_text())
    data["acting"]["temperature"] = 0.0
    path.write_text(json.dumps(data))
    assert read_record(folder) == record


def test_what_a_killed_writer_left_is_removed(tmp_path, record, network):
    left = tmp_path / f".p1.{_host()}.{2**22 + 1}-00000000.tmp"
    left.mkdir()
    write_policy(tmp_path / "p1", record, network.state_dict())
    assert [path.name for path in tmp_path.iterdir()] == ["p1"]


def test_nothing_on_disk_is_pickled(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["policy.json", "weights.safetensors"]
    raw = (folder / "weights.safetensors").read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    sizes = [entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"]
    assert max(end for _, end in sizes) == len(raw) - 8 - int.from_bytes(raw[:8], "little")


def test_pickled_weights_are_not_run(folder, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "went off"), "w"))

    for bomb in (pickle.dumps(Bomb()), pickle.dumps({"policy_query": Bomb()}, protocol=0)):
        (folder / "weights.safetensors").write_bytes(bomb)
        with pytest.raises(Exception, match=r"(?i)header"):
            read_policy(folder)
    assert not (tmp_path / "went off").exists()
