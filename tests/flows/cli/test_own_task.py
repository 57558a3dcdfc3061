"""A task of the user's own: not there, broken as it is loaded or made, or a robot that stays still."""

import json
import os

import pytest
from recorded import episode
from typed import pacloop, refused

from pacloop.loop.workspace.config import Config
from pacloop.loop.workspace.workspace import Workspace

ARM = """
import pathlib
from dataclasses import replace
from pacloop.actors.registry import find_task

def task(name, make, **facts):
    stack = find_task("pacloop/stack")
    return replace(stack, schema=replace(stack.schema, task=name), make=make, **facts)

def robot():
    def connect():
        pathlib.Path(__file__).with_name("moved").touch()
        return find_task("pacloop/stack").make()
    return task("acme/robot", connect, replayable=False)

def leave():
    def make():
        raise SystemExit(3)
    return task("acme/leaves", make)
"""


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """An installed package whose entry points lead nowhere, to what ends the process, and to a robot."""
    folder = tmp_path / "site" / "acme-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[pacloop.tasks]\nacme/lost = acme_missing.tasks:make\nacme/exit = acme_exit:make\n"
        "acme/robot = acme_arm:robot\nacme/leaves = acme_arm:leave\n"
    )
    (tmp_path / "site" / "acme_arm.py").write_text(ARM)
    (tmp_path / "site" / "acme_exit.py").write_text("raise SystemExit(0)\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


@pytest.fixture
def space(tmp_path):
    """Makes the settings of a workspace of a task, as an editor would."""

    def space(task):
        Workspace.unmade(tmp_path / "arm", Config(task=task)).write_config()
        return tmp_path / "arm"

    return space


def diagnosis(folder):
    """What the doctor says of a workspace, by the names of its checks."""
    checks = json.loads(pacloop("doctor", "-w", folder, "--json", cwd=folder).stdout)
    return {check["name"]: check for check in checks}


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("acme/lost", "entry point 'acme/lost', acme_missing.tasks:make, fails: ModuleNotFoundError"),
        ("acme/exit", "entry point 'acme/exit', acme_exit:make, fails: SystemExit: 0"),
        ("pacloop/stak", "there is no task 'pacloop/stak'; known tasks: pacloop/stack, "),
    ],
)
def test_a_task_that_cannot_be_is_a_sentence(tmp_path, offered, space, task, words):
    folder = space(task)
    for command in (["collect"], ["improve", "--rounds", 0]):
        assert words in refused(*command, "-w", folder, cwd=tmp_path)
    simulator = diagnosis(folder)["simulator"]
    assert not simulator["good"] and words in simulator["found"]
    assert "TaskError" not in simulator["found"]
    assert "the package that offers" in simulator["advice"]
    if task == "pacloop/stak":
        assert words in refused("status", "-w", folder, cwd=tmp_path)


def test_the_doctor_starts_the_workspaces_own_task(tmp_path, space):
    found = diagnosis(space("pacloop/stack-wide"))
    assert found["simulator"]["found"] == "pacloop/stack-wide starts"
    assert found["workspace"]["found"].endswith("arm (pacloop/stack-wide)")


def test_an_environment_that_ends_the_process_is_in_the_doctors_table(offered, space):
    simulator = diagnosis(space("acme/leaves"))["simulator"]
    assert not simulator["good"] and simulator["found"] == "SystemExit: 3"


def test_nothing_but_playing_moves_a_robot(tmp_path, offered, space):
    folder = space("acme/robot")
    opened = Workspace.create(folder, Config(task="acme/robot"))
    opened.store.append([episode(opened, 7, 1.0)], batch_id="taught", source="demonstration")
    simulator = diagnosis(folder)["simulator"]
    assert simulator["good"] and simulator["found"].startswith("acme/robot is found, and not started: ")
    refusal = "no episode of acme/robot is played again: its task does not say replayable=True"
    for command in (
        ["dataset", "show", "taught/0", "--video", tmp_path / "arm.mp4"],
        ["inject", folder / "dataset", "--score", "replay"],
    ):
        assert refusal in refused(*command, "-w", folder, cwd=tmp_path)
    report = pacloop("report", "-w", folder, cwd=tmp_path)
    assert report.returncode == 0, report.stderr
    assert f"Pictures are missing: {refusal}" in (folder / "report.html").read_text()
    assert not (tmp_path / "site" / "moved").exists()
