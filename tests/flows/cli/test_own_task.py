"""A task of the user's own that is not there, or breaks as it is loaded: a sentence from every command."""

import json

import pytest
from typed import pacloop, refused

from pacloop.loop.workspace.config import Config
from pacloop.loop.workspace.workspace import Workspace


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """An installed package whose entry points lead nowhere, or to a module that ends the process."""
    folder = tmp_path / "site" / "acme-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[pacloop.tasks]\nacme/lost = acme_missing.tasks:make\nacme/exit = acme_exit:make\n"
    )
    (tmp_path / "site" / "acme_exit.py").write_text("raise SystemExit(0)\n")
    import os

    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


@pytest.fixture
def space(tmp_path):
    """Makes the settings of a workspace of a task, as an editor would."""

    def space(task):
        Workspace.unmade(tmp_path / "arm", Config(task=task)).write_config()
        return tmp_path / "arm"

    return space


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
    checks = json.loads(pacloop("doctor", "-w", folder, "--json", cwd=tmp_path).stdout)
    simulator = next(check for check in checks if check["name"] == "simulator")
    assert not simulator["good"] and words in simulator["found"]
    assert "TaskError" not in simulator["found"]
    assert "the package that offers" in simulator["advice"]
    if task == "pacloop/stak":
        assert words in refused("status", "-w", folder, cwd=tmp_path)


def test_the_doctor_starts_the_workspaces_own_task(tmp_path, space):
    checks = json.loads(pacloop("doctor", "-w", space("pacloop/stack-wide"), "--json", cwd=tmp_path).stdout)
    found = {check["name"]: check["found"] for check in checks}
    assert found["simulator"] == "pacloop/stack-wide starts"
    assert found["workspace"].endswith("arm (pacloop/stack-wide)")
