"""`pacloop status --watch`: on a terminal, in a pipe, for scripts; nobody's lease is taken."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pacloop.flows.cli.status import print_status
from pacloop.flows.terminal import console, table
from pacloop.loop.views.at_work import Activity
from pacloop.loop.views.status import read_status
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.lease import lease
from pacloop.loop.workspace.workspace import Workspace

WATCH = [str(Path(sys.executable).with_name("pacloop")), "status", "--watch", "--every", "0.2"]


def until(done, what):
    end = time.monotonic() + 120
    while not done():
        assert time.monotonic() < end, f"no {what}"
        time.sleep(0.05)


def test_what_goes_on_in_words():
    assert (
        Activity(3, "learn", 2150, 5000, "loss 0.6").sentence()
        == "round 3, learn: 2150 of 5000 steps, loss 0.6"
    )
    assert Activity(3, "race", 200).sentence() == "round 3, race: 200 episodes"


def test_a_status_is_read_from_an_unfinished_workspace(two_rounds, capsys):
    status = read_status(two_rounds)
    assert status.now == Activity(2, "collect", 0, 1000)
    assert json.loads(json.dumps(status.to_json()))["now"]["stage"] == "collect"
    with lease(two_rounds.folder):
        print_status(read_status(two_rounds, status))
    said = capsys.readouterr().out
    assert "round 1" in said and "round 2, collect: 0 of 1000 episodes" in said
    assert "champion: r001-pac   at work: process" in said


def test_names_that_look_like_markup_are_shown_as_they_are(capsys):
    lines = [{"batch": "injected [x]", "verdict": "promoted"}, {"batch": "[/]", "verdict": None}]
    console().print(table(lines, "[bold]"))
    printed = capsys.readouterr().out
    assert "injected [x]" in printed and "[/]" in printed and "[bold]" in printed


def test_a_workspace_without_a_dataset_is_watched_and_stays_as_it_is(tmp_path):
    space = Workspace.create(tmp_path / "space", parse_config({}, "test"))
    status = read_status(space)
    assert (status.rows, status.now, status.at_work) == ([], None, None)
    assert [p.name for p in space.folder.iterdir()] == ["pacloop.toml"]


def test_scripts_get_a_line_of_json_a_look(two_rounds):
    with subprocess.Popen(
        [*WATCH, "--json", "-w", str(two_rounds.folder)], stdout=subprocess.PIPE
    ) as watching:
        lines = [json.loads(watching.stdout.readline()) for _ in range(2)]
        watching.send_signal(signal.SIGINT)
        assert watching.wait(60) == 0
    assert lines[0]["champion"] == "r001-pac"
    assert lines[0]["rows"] == lines[1]["rows"]


@pytest.mark.skipif(not hasattr(pty, "openpty"), reason="needs a terminal")
def test_ctrl_c_on_a_terminal_leaves_the_table_and_exits_0(two_rounds):
    controller, terminal = pty.openpty()
    size = {"COLUMNS": "120", "LINES": "40", "TERM": "xterm"}
    command = [*WATCH, "-w", str(two_rounds.folder)]
    seen = b""
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, env=os.environ | size) as watching:
        os.close(terminal)
        os.set_blocking(controller, False)

        def shown(text):
            nonlocal seen
            with suppress(OSError):
                seen += os.read(controller, 65536)
            return text in seen

        until(lambda: shown(b"Ctrl-C ends watching"), "screen")
        assert b"\x1b[?1049h" in seen, "it has a screen of its own"
        watching.send_signal(signal.SIGINT)
        until(lambda: shown(b"at work: nobody\r\n"), "last status")
        assert watching.wait(60) == 0
    os.close(controller)
    assert b"Traceback" not in seen
    assert seen.rfind(b"round 1") > seen.rfind(b"\x1b[?1049l"), "the table stays when the screen goes"
