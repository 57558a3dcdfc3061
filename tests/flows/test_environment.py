"""How commands are named to a user: as they work when they are typed."""

import os
import sys
from pathlib import Path

import pytest

from pacloop.flows.environment import prepare, program, string_file, this_command, user


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder with the programs `pacloop` and `prefect`, beside which no shell looks; the current one."""
    folder = tmp_path / "my env" / "bin"
    folder.mkdir(parents=True)
    for name in ("pacloop", "prefect", "python"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PACLOOP_WORKSPACE", raising=False)
    return folder


def test_a_program_is_named_by_the_path_that_was_typed(installed, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["./pacloop", "improve"])
    assert (program("pacloop"), program("prefect")) == ("./pacloop", "./prefect")
    monkeypatch.setattr(sys, "argv", [str(installed / "pacloop")])
    assert program("prefect") == f"'{installed}/prefect'"


def test_a_program_that_a_shell_finds_is_named_by_its_name(installed, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(installed / "pacloop")])
    monkeypatch.setenv("PATH", str(installed))
    assert program("pacloop") == "pacloop"


def test_in_another_program_the_one_beside_its_python_is_named(installed, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/something", "pacloop"])
    monkeypatch.setattr(sys, "executable", str(installed / "python"))
    assert program("pacloop") == f"'{installed}/pacloop'"


def test_a_workspace_is_named_where_it_is_not_the_default(installed, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["./pacloop"])
    assert this_command("doctor") == "./pacloop doctor"
    assert this_command("serve", "workspace") == "./pacloop serve"
    assert this_command("serve", Path("my arm")) == "./pacloop serve --workspace 'my arm'"
    monkeypatch.setenv("PACLOOP_WORKSPACE", "my arm")
    assert this_command("serve", "my arm") == "./pacloop serve"
    assert this_command("serve", "workspace") == "./pacloop serve --workspace workspace"


def test_somebody_is_at_the_keyboard(monkeypatch):
    monkeypatch.setenv("USER", "anna")
    assert user() == "anna"
    monkeypatch.delenv("USER")
    monkeypatch.delenv("LOGNAME", raising=False)
    assert user() == "somebody"


def test_prefects_client_shows_the_string_of_the_server_on_this_machine_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    file = string_file("http://127.0.0.1:4321/api")
    assert file and file.parent == tmp_path / ".pacloop"
    file.parent.mkdir()
    file.write_text("pacloop:made")
    for url, string in {
        "http://team.example:4321/api": None,
        "http://127.0.0.1:4321@team.example/api": None,
        "http://127.0.0.1:4322/api": None,
        "not an address:x": None,
        "http://127.0.0.1:4321/api": "pacloop:made",
    }.items():
        monkeypatch.setenv("PREFECT_API_URL", url)
        monkeypatch.delenv("PREFECT_API_AUTH_STRING", raising=False)
        prepare()
        assert os.environ.get("PREFECT_API_AUTH_STRING") == string, url
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "anna:chosen")
    prepare()
    assert os.environ["PREFECT_API_AUTH_STRING"] == "anna:chosen"
