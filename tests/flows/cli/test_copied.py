"""A copy of a workspace is named by whoever looks, and changed by nobody."""

import shutil

import pytest
from typed import pacloop, refused

from pacloop.flows.cli.doctor import _workspace
from pacloop.loop.views.status import read_status
from pacloop.loop.workspace.workspace import Workspace


@pytest.fixture
def copy(two_rounds, tmp_path):
    """A copy of two rounds, whose original is still there."""
    assert two_rounds.id
    return shutil.copytree(two_rounds.folder, tmp_path / "copy")


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_doctor_and_status_say_so(copy, two_rounds):
    says = f"{copy} is a copy of {two_rounds.address}, which is still there"
    _, (check,) = _workspace(str(copy))
    assert not check.good and check.found.startswith(says)
    status = read_status(Workspace.open(copy))
    assert status.copied.startswith(says) and status.copied in status.summary().splitlines()
    assert read_status(two_rounds).copied == ""
    assert _workspace(str(two_rounds.folder))[1][0].good


def test_one_that_was_moved_is_none(copy, tmp_path):
    first = Workspace.open(
        shutil.copytree(copy, tmp_path / "first", ignore=shutil.ignore_patterns("identity.json"))
    )
    assert first.id
    moved = first.folder.rename(tmp_path / "moved")
    assert read_status(Workspace.open(moved)).copied == ""


@pytest.mark.parametrize(
    "words",
    [
        ("promote", "r000-pac", "--reason", "x"),
        ("rollback", "--reason", "x"),
        ("approve", "--reason", "x"),
        ("inject", "demo.npz"),
        ("gc", "--keep", "1"),
        ("dataset", "exclude", "clumsy-s0-n4", "--reason", "x"),
        ("dataset", "include", "clumsy-s0-n4", "--reason", "x"),
        ("demonstrate", "--episodes", "1", "--seed", "9"),
        ("evaluate", "--give-up"),
    ],
)
def test_what_would_change_it_is_refused(copy, words):
    before = files(copy)
    assert f"{copy} is a copy of " in refused(*words, "-w", copy, cwd=copy)
    assert files(copy) == before


def test_it_may_be_looked_at(copy):
    assert "r001-pac" in pacloop("policies", "ls", "-w", copy, cwd=copy).stdout
