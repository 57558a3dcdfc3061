"""A bucket that cannot be used is a sentence, credentials go nowhere, a local store knows no network."""

import subprocess
import sys

import pytest

from pacloop.datasets import DatasetError, EpisodeStore
from pacloop.datasets import objects as bucket
from pacloop.datasets.store.bucket import CachedBucket

LARGE = 2**40


def test_what_cannot_be_opened(s3, url, tmp_path, schema, monkeypatch):
    with pytest.raises(DatasetError, match=r"holds no dataset: schemas has 0 files, but must have one"):
        EpisodeStore.open(CachedBucket(url, tmp_path, LARGE))
    with pytest.raises(
        DatasetError, match=r"^s3://wrong/x/schemas cannot be listed: there is no such bucket$"
    ):
        EpisodeStore.open(CachedBucket("s3://wrong/x", tmp_path, LARGE))
    for wrong in ("s3://", "http://robots/x", "robots/x", "s3:///x", "s3://robots/a b"):
        with pytest.raises(DatasetError, match="is no url of a bucket"):
            EpisodeStore.open(CachedBucket(wrong, tmp_path, LARGE))
    with pytest.raises(DatasetError, match="must hold no name, password or signature") as told:
        EpisodeStore.open(CachedBucket("s3://key:hunter2@robots/x", tmp_path, LARGE))
    assert "hunter2" not in str(told.value)
    s3.deny = True
    try:
        with pytest.raises(DatasetError, match=r"schemas cannot be listed: access denied \(AccessDenied\)$"):
            EpisodeStore.open(CachedBucket(url, tmp_path, LARGE))
    finally:
        s3.deny = False
    s3.ignore_conditions = True
    try:
        for _ in range(2):
            with pytest.raises(DatasetError, match="overwrites what it should create only"):
                EpisodeStore.create(CachedBucket(url, tmp_path, LARGE), schema)
        assert bucket.Bucket(url).list("") == {}, "nothing is left of the trial"
    finally:
        s3.ignore_conditions = False


def test_no_credentials_is_one_sentence(s3, url, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setitem(bucket.CLIENT, "connect_timeout", bucket.timedelta(seconds=1))
    with pytest.raises(DatasetError, match="there are no credentials; set AWS_ACCESS_KEY_ID") as told:
        EpisodeStore.open(CachedBucket(url, tmp_path, LARGE))
    assert "\n" not in str(told.value)


def test_no_credentials_are_written_anywhere(s3, bucket_store, build):
    bucket_store.append([build.episode()], batch_id="a", source="collection")
    bucket_store.exclude("a/0", reason="r", by="b")
    secrets = [value.encode() for name, value in s3.environment().items() if "SECRET" in name]
    for path in bucket_store.folder.rglob("*"):
        assert path.is_dir() or not any(secret in path.read_bytes() for secret in secrets)


def test_a_local_store_knows_no_network(tmp_path):
    program = """
import socket, sys
sys.modules["obstore"] = None  # importing it raises
def refuse(*_):
    raise AssertionError("a connection")
socket.socket.connect = refuse
from pathlib import Path
from pacloop.loop.workspace.config import Config
from pacloop.loop.workspace.workspace import Workspace
from pacloop.datasets import Field, Schema
space = Workspace(Path(sys.argv[1]), Config())
space.folder.mkdir()
store = space.make_store(Schema("t", {"x": Field((1,))}, Field((1,)), (-1,), (1,), 20, 5))
import numpy as np
from pacloop.datasets import Episode
ones = np.ones(1, np.float32)
store.append([Episode({"x": np.ones((2, 1), np.float32)}, ones[:, None], ones, ones, 1.0)],
             batch_id="a", source="collection")
store.exclude("a/0", reason="r", by="b")
assert space.has_store() and space.open_store().verify() == [] and len(list(store.episodes("a"))) == 1
print(sorted(p.name for p in space.folder.iterdir()))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "space")], capture_output=True, text=True, check=False
    )
    assert done.stdout == "['dataset']\n", done.stderr
