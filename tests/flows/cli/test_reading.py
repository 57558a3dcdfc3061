"""Commands that look write nothing into the workspace; where it is empty they say what begins it."""

import pytest
from typer.testing import CliRunner

from pacloop.flows.cli.main import app
from pacloop.loop.errors import LoopError
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace

LOOKS = [
    "status",
    "status --json",
    "report --out ../page.html",
    "doctor",
    "policies ls",
    "policies show r001-pac",
    "dataset ls",
    "dataset ls --min-score 0",
    "dataset verify",
    "dataset show clumsy-s0-n4",
    "dataset show --quarantine",
    "gc --dry-run",
    "inject ../nothing.npz --dry-run",
]


def tree(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def look(space, words, monkeypatch):
    """What a command says; asserts that the workspace is as it was."""
    monkeypatch.chdir(space.folder)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    before = tree(space.folder)
    done = CliRunner().invoke(app, [*words.split(), "-w", str(space.folder)])
    assert tree(space.folder) == before, words
    return done


@pytest.mark.parametrize("words", LOOKS)
def test_whoever_looks_leaves_everything_as_it_was(words, two_rounds, monkeypatch):
    done = look(two_rounds, words, monkeypatch)
    assert done.exit_code == 0 or "nothing.npz" in words, (done.output, done.exception)


@pytest.mark.parametrize("words", LOOKS)
def test_an_empty_workspace_stays_empty_and_its_next_step_is_named(words, tmp_path, monkeypatch):
    space = Workspace.create(tmp_path / "other", parse_config({}, "test"))
    done = look(space, words, monkeypatch)
    assert isinstance(done.exception, LoopError | SystemExit | None) or "nothing.npz" in words
    if not words.startswith(("gc", "inject", "status --json")):
        said = done.output + str(done.exception)
        assert f"pacloop demonstrate -w {space.folder}" in " ".join(said.split())
