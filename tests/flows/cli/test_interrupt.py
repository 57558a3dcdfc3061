"""Ctrl-C on a terminal, where the whole process group hears it: run, Ray and Prefect's server alike."""

import os
import pty
import select
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from typed import PACLOOP

from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace

DEADLINE_SEC = 180


@pytest.fixture
def space(tmp_path):
    """A workspace whose first learner run takes longer than the test."""
    folder = tmp_path / "space"
    settings = {"collect": {"environments": 4}, "learn": {"clone_steps": 100_000, "batch_size": 32}}
    Workspace.create(folder, parse_config(settings, "test"))
    add_demonstrations(
        folder, task="pacloop/stack", episodes=4, seed=0, clean=False, bare=False, progress=silent
    )
    return folder


def read_until(terminal, wanted, deadline):
    """What a terminal shows until `wanted` comes, or it is closed where None is wanted."""
    shown = b""
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # how a terminal says that nobody holds its other end
            return shown.decode()
        shown += piece
        if not piece or (wanted and wanted in shown):
            return shown.decode()
    raise AssertionError(f"no {wanted} in time, but: {shown.decode()[-2000:]}")


def processes_of(session):
    """Living processes of a session: pid to command line."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def test_an_interrupt_ends_a_run_in_one_sentence_and_leaves_nothing_running(space, monkeypatch):
    monkeypatch.setenv("PREFECT_HOME", str(space.parent / "prefect"))
    child, terminal = pty.fork()
    if child == 0:
        os.execv(PACLOOP, [PACLOOP, "improve", "--workspace", str(space)])
    try:
        read_until(terminal, b"steps per sec", time.monotonic() + DEADLINE_SEC)
        os.write(terminal, b"\x03")
        shown = read_until(terminal, None, time.monotonic() + DEADLINE_SEC)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status == 130, shown
        assert "pacloop: stopped; what was finished is kept" in shown
        assert "Traceback" not in shown
        assert list((space / "rounds").rglob("state.safetensors")), "the learner saved where it stood"
        patience = time.monotonic() + 30
        while left := processes_of(child):
            assert time.monotonic() < patience, left
            time.sleep(0.5)
    finally:
        for left in processes_of(child):
            os.kill(left, signal.SIGKILL)
        os.close(terminal)
