"""`pacloop init`: a workspace for any task, also one of the user's own, and what to do next."""

import shlex
import subprocess
from pathlib import Path

import pytest
from typed import PACLOOP, pacloop, refused

from pacloop.loop.workspace.config import Config
from pacloop.loop.workspace.workspace import Workspace

OFFERED = Path(__file__).parents[2] / "actors" / "offered"


@pytest.fixture
def own_task(monkeypatch):
    """A package with a task of the user's own is installed, for commands that are started."""
    import os

    path = os.pathsep.join(filter(None, [str(OFFERED), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("PYTHONPATH", path)


def test_a_workspace_is_made_with_commented_settings(tmp_path):
    done = pacloop("init", "--task", "pacloop/stack", "--seed", 7, "-w", "my arm", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    config = Workspace.open(tmp_path / "my arm").config
    assert config == Config(task="pacloop/stack", seed=7)
    text = (tmp_path / "my arm" / "pacloop.toml").read_text()
    assert 'task = "pacloop/stack"  # name of the task' in text
    assert "rounds = 8  # most rounds that one run adds" in text


def test_what_to_do_next_works_as_it_is_printed(tmp_path):
    printed = pacloop("init", "--task", "pacloop/stack", "--seed", 7, "-w", "my arm", cwd=tmp_path).stdout
    commands = [line.partition("#")[0].strip() for line in printed.partition("next:\n")[2].splitlines()]
    inject, demonstrate, improve = map(shlex.split, commands)
    assert inject[1:] == ["inject", "PATH", "--workspace", "my arm"]
    assert improve[1:] == ["improve", "--workspace", "my arm"]
    subprocess.run([*demonstrate, "--episodes", "2"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    (batch,) = Workspace.open(tmp_path / "my arm").open_store().batches()
    assert (batch.episodes, batch.origin["seed"]) == (2, 7)
    again = pacloop("init", "--task", "pacloop/stack", "-w", "my arm", cwd=tmp_path).stdout
    assert "improve" in again and "demonstrate" not in again, "there are demonstrations already"


def test_a_program_is_named_as_it_was_typed(tmp_path):
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "pacloop").symlink_to(PACLOOP)
    words = [".venv/bin/pacloop", "init", "--task", "pacloop/stack"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "\n  .venv/bin/pacloop improve  " in done.stdout


def test_a_second_time_nothing_is_changed(tmp_path):
    pacloop("init", "--task", "pacloop/stack", "--seed", 7, cwd=tmp_path)
    path = tmp_path / "workspace" / "pacloop.toml"
    path.write_text(path.read_text().replace("rounds = 8", "rounds = 3"))
    before = path.read_text()
    for words in (["--seed", 7], []):
        assert pacloop("init", "--task", "pacloop/stack", *words, cwd=tmp_path).returncode == 0
    assert path.read_text() == before
    line = refused("init", "--task", "pacloop/stack", "--seed", 8, cwd=tmp_path)
    assert "workspace is a run with seed 7, not 8" in line
    line = refused("init", "--task", "pacloop/stack-wide", cwd=tmp_path)
    assert line == "pacloop: workspace is a workspace of pacloop/stack, not of pacloop/stack-wide"
    assert path.read_text() == before


def test_a_task_of_the_users_own(tmp_path, own_task):
    done = pacloop("init", "--task", "test/reach", "-w", "reach", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("workspace reach: test/reach, seed 0\n")
    assert "inject PATH --workspace reach" in done.stdout
    assert "demonstrate" not in done.stdout, "it has no scripted demonstrator"


def test_a_task_that_does_not_exist_is_refused_with_those_that_do(tmp_path, own_task):
    line = refused("init", "--task", "pacloop/stak", "-w", "arm", cwd=tmp_path)
    assert "there is no task 'pacloop/stak'; known tasks: pacloop/stack, " in line and "test/reach" in line
    assert not (tmp_path / "arm").exists()


def test_from_another_workspace_or_for_a_task_but_not_both(tmp_path):
    pacloop("init", "--task", "pacloop/stack", "-w", "arm", cwd=tmp_path)
    for words in ([], ["--task", "pacloop/stack", "--from", "arm"]):
        assert "give either --task NAME or --from WORKSPACE" in refused(
            "init", *words, "-w", "next", cwd=tmp_path
        )
    assert "arm has no champion yet to go on from" in refused(
        "init", "--from", "arm", "-w", "next", cwd=tmp_path
    )
    assert not (tmp_path / "next").exists()
    assert "nowhere is no workspace" in refused("init", "--from", "nowhere", "-w", "next", cwd=tmp_path)
    assert "next is no workspace" in refused("status", "-w", "next", cwd=tmp_path)
