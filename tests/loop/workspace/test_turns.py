"""Of the copies of a workspace that share a dataset one goes on, whatever their paths and machines."""

import json
import shutil
import socket

import pytest
from recorded import play

from pacloop.datasets.objects import Bucket
from pacloop.loop.errors import LoopError
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.copied import copy_sentence, refuse_copy, settle
from pacloop.loop.workspace.workspace import IDENTITY, Workspace


@pytest.fixture
def shared(s3, tmp_path):
    """A workspace that was held once, and shares its dataset."""
    config = parse_config({"dataset": {"url": f"s3://robots/{tmp_path.name}"}}, "test")
    space = Workspace.create(tmp_path / "here" / "arm", config)
    settle(space)
    return space


@pytest.fixture
def copied(shared, tmp_path):
    """Its copy at the same path on another machine."""
    return shutil.copytree(shared.folder.parent, tmp_path / "there") / "arm"


def on_the_other_machine(space, there):
    """What lies at the path of a workspace there: the two folders change places."""
    aside = space.folder.with_name("aside")
    space.folder.rename(aside)
    there.rename(space.folder)
    aside.rename(there)
    return Workspace.open(space.folder)


def test_a_copy_at_the_same_path_elsewhere_goes_on_alone(shared, copied, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(socket, "gethostname", lambda: "there")
        copy = on_the_other_machine(shared, copied)
        settle(copy)
        settle(copy)
        assert copy_sentence(copy) == ""
    first = on_the_other_machine(shared, copied)
    says = (
        f"^{first.place} is not the only copy of its workspace: that at {first.address} on there goes on "
        rf"with s3://.*; make a workspace that goes on from this one: pacloop init --from {first.place} "
    )
    with pytest.raises(LoopError, match=says):
        settle(first)
    with pytest.raises(LoopError, match=says):
        refuse_copy(first)


def test_one_folder_on_two_machines_by_turns_is_no_copy(shared, monkeypatch):
    for host in ("one", "two", "one"):
        monkeypatch.setattr(socket, "gethostname", lambda host=host: host)
        settle(Workspace.open(shared.folder))
        assert copy_sentence(shared) == ""


def test_one_that_was_moved_or_restored_goes_on(shared, copied, tmp_path):
    shutil.rmtree(shared.folder)
    settle(Workspace.open(copied))
    settle(Workspace.open(copied.rename(tmp_path / "moved")))


def test_a_loop_adds_nothing_once_a_copy_goes_on(shared, copied):
    play(shared, 1, "collect", "r000-pac", [1.0])
    settle(on_the_other_machine(shared, copied))
    with pytest.raises(LoopError, match="is not the only copy of its workspace"):
        play(on_the_other_machine(shared, copied), 1, "collect", "r000-pac", [0.0])
    assert len(shared.open_store().batches()) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_it_is_taken_it_is_taken_again(shared, monkeypatch, when):
    whole = Bucket.replace

    def killed(*arguments):
        if when == "after":
            whole(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Bucket, "replace", killed)
        settle(shared)
    settle(shared)


def test_of_two_copies_at_once_one_goes_on(shared, copied, monkeypatch):
    whole = Bucket.replace

    def late(*arguments):
        monkeypatch.setattr(Bucket, "replace", whole)
        settle(Workspace(copied, shared.config))
        return whole(*arguments)

    file = copied / IDENTITY
    file.write_text(json.dumps(json.loads(file.read_text()) | {"address": str(copied)}))
    monkeypatch.setattr(Bucket, "replace", late)
    with pytest.raises(LoopError, match="is not the only copy"):
        settle(shared)
    assert copy_sentence(Workspace(copied, shared.config)) == ""


def test_each_dataset_has_turns_of_its_own(shared):
    other = shared.with_config(parse_config({"dataset": {"url": f"{shared.config.dataset.url}-b"}}, "test"))
    for space in (other, shared, other):
        settle(space)


def in_bucket(tmp_path, monkeypatch, machine, name):
    """A workspace in a bucket on a machine: one with a cache of its own."""
    monkeypatch.setenv("PACLOOP_CACHE", str(tmp_path / machine))
    config = parse_config({"dataset": {"url": f"s3://robots/{tmp_path.name}"}}, "test")
    return Workspace.create(f"s3://robots/{tmp_path.name}-{name}", config)


@pytest.fixture
def original(s3, tmp_path, monkeypatch):
    """A workspace in a bucket that was held once, shares its dataset, and has a copy under another prefix."""
    space = in_bucket(tmp_path, monkeypatch, "one", "arm")
    settle(space)
    copy = Bucket(f"{space.place}2")
    for key in space.copy.bucket.list(""):
        copy.create(key, space.copy.bucket.read(key))
    return space


def test_a_copied_prefix_is_known_on_a_machine_that_never_saw_it(original, tmp_path, monkeypatch):
    copy = in_bucket(tmp_path, monkeypatch, "two", "arm2")
    says = f"{copy.place} is a copy of {original.place}, which is still there"
    assert copy_sentence(copy).startswith(says)
    with pytest.raises(LoopError, match=says):
        settle(copy)


def test_a_loop_in_a_bucket_adds_nothing_once_a_copy_goes_on(original, tmp_path, monkeypatch):
    play(original, 1, "collect", "r000-pac", [1.0])
    copy = in_bucket(tmp_path, monkeypatch, "two", "arm2")
    copy.write_json(IDENTITY, copy.identity().model_copy(update={"address": ""}).model_dump())
    settle(copy)
    with pytest.raises(LoopError, match="is not the only copy of its workspace"):
        play(original, 1, "collect", "r000-pac", [0.0])
