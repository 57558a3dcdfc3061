"""A workspace keeps one identity wherever it is moved and whoever asks first; no other has it."""

from threading import Barrier, Thread

import pytest

from pacloop.datasets import DatasetError
from pacloop.loop.workspace.config import Config
from pacloop.loop.workspace.workspace import IDENTITY, Workspace


def test_it_stays_and_moves_with_the_folder(tmp_path):
    first = Workspace.create(tmp_path / "space", Config()).id
    assert Workspace.open(tmp_path / "space").id == first
    assert Workspace.open((tmp_path / "space").rename(tmp_path / "elsewhere")).id == first
    assert Workspace.create(tmp_path / "space", Config()).id != first


def test_two_machines_see_one_identity_of_a_bucket(s3, tmp_path, monkeypatch):
    seen = []
    for machine in ("a", "b"):
        monkeypatch.setenv("PACLOOP_CACHE", str(tmp_path / machine))
        seen.append(Workspace.create(f"s3://robots/{tmp_path.name}", Config()).id)
    assert seen[0] == seen[1]
    assert Workspace.create(f"s3://robots/{tmp_path.name}-other", Config()).id != seen[0]


def test_all_who_ask_at_once_get_the_same(tmp_path):
    Workspace.create(tmp_path / "space", Config())
    start, ids = Barrier(8), []

    def ask():
        space = Workspace.open(tmp_path / "space")
        start.wait()
        ids.append(space.id)

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1


def test_a_broken_file_is_named(tmp_path):
    space = Workspace.create(tmp_path / "space", Config())
    (space.folder / IDENTITY).write_text('{"version": 1}')
    with pytest.raises(DatasetError, match=r"identity\.json: id is missing"):
        _ = space.id
