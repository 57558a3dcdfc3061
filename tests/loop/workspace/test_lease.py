"""The lease: one holder, named to all others, gone with its process."""

import errno
import fcntl
import os
import subprocess
import sys
from threading import Timer

import pytest

from pacloop.datasets import DatasetError
from pacloop.datasets.files import temporary_beside
from pacloop.loop.errors import LoopError
from pacloop.loop.workspace.lease import current_holder, lease
from pacloop.loop.workspace.local_copy import LocalCopy
from pacloop.loop.workspace.registry import Registry

HOLD = """
import sys
from pathlib import Path
from pacloop.loop.workspace.lease import lease
with lease(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the folder."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_holder_is_refused_and_told_whom_to_wait_for(tmp_path, other):
    with (
        pytest.raises(LoopError, match=f"{tmp_path} is in use by process {other.pid} on .*, since"),
        lease(tmp_path),
    ):
        pass
    assert current_holder(tmp_path).startswith(f"process {other.pid} on ")


def test_kill_minus_nine_frees_it(tmp_path, other):
    other.kill()
    other.wait()
    assert current_holder(tmp_path) is None
    with lease(tmp_path):
        assert current_holder(tmp_path).startswith(f"process {os.getpid()} on ")


def test_an_orderly_end_frees_it(tmp_path, other):
    other.communicate("\n")
    with lease(tmp_path):
        pass
    assert current_holder(tmp_path) is None


def test_it_cannot_be_taken_twice_but_again_even_after_an_error(tmp_path):
    with lease(tmp_path), pytest.raises(LoopError, match=f"process {os.getpid()}"), lease(tmp_path):
        pass
    with pytest.raises(KeyError), lease(tmp_path):
        raise KeyError
    with lease(tmp_path):
        pass


def test_who_only_looks_disturbs_nobody(tmp_path):
    (tmp_path / "lease.json").touch()
    with (tmp_path / "lease.json").open() as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)  # as `current_holder` does for a moment
        Timer(0.2, lambda: fcntl.flock(reader, fcntl.LOCK_UN)).start()
        with lease(tmp_path):
            assert current_holder(tmp_path).startswith(f"process {os.getpid()} on ")


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    says = pytest.raises(
        DatasetError, match=rf"^{tmp_path}/lease\.json cannot be locked: no locks available$"
    )
    with says, lease(tmp_path):
        pass
    with pytest.raises(DatasetError, match=r"champion\.lock cannot be locked: no locks available$"):
        Registry(tmp_path).settle()
    monkeypatch.setenv("PACLOOP_CACHE", str(tmp_path))
    with pytest.raises(DatasetError, match=r"/lock cannot be locked: no locks available$"):
        _ = LocalCopy("s3://robots/arm").id


def test_a_holder_that_has_not_written_yet_is_another_process(tmp_path):
    assert current_holder(tmp_path) is None
    with lease(tmp_path):
        for text in ("", "{", "[1]", '{"pid": "x"}', '{"pid": 3, "version": 1}'):
            (tmp_path / "lease.json").write_text(text)
            with pytest.raises(LoopError, match="in use by another process"), lease(tmp_path):
                pass


def test_what_a_dead_holder_was_writing_is_removed_by_the_next(tmp_path):
    program = """
import os, sys
from pathlib import Path
from pacloop.datasets import DatasetError
from pacloop.datasets.files import temporary_beside
with temporary_beside(Path(sys.argv[1])) as aside:
    aside.write_text("half")
    os._exit(9)
"""
    (tmp_path / "rounds" / "001" / "learn-run").mkdir(parents=True)
    for name in ("champion.json", "rounds/001/gate.json", "rounds/001/learn-run/metrics.jsonl"):
        subprocess.run([sys.executable, "-c", program, str(tmp_path / name)], check=False)
    with temporary_beside(tmp_path / "rounds" / "answer.json") as alive:
        assert len(list(tmp_path.rglob(".*.tmp"))) == 4
        with lease(tmp_path):
            assert list(tmp_path.rglob(".*.tmp")) == [alive]
