import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pacloop.datasets import DatasetError
from pacloop.datasets.files import (
    is_temporary,
    read_json,
    temporary_beside,
    write_bytes_atomically,
    write_json_atomically,
    writer_is_dead,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_json_round_trip_and_replacement(tmp_path):
    path = tmp_path / "a.json"
    write_json_atomically(path, {"x": 1})
    write_json_atomically(path, {"x": np.float32(0.5), "y": np.arange(2), "p": tmp_path})
    assert read_json(path) == {"x": 0.5, "y": [0, 1], "p": str(tmp_path)}
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("data", [{"x": float("nan")}, {"x": object()}])
def test_what_is_not_json_is_refused_and_the_old_file_stays(tmp_path, data):
    path = tmp_path / "a.json"
    write_json_atomically(path, 1)
    with pytest.raises(DatasetError, match=r"a\.json was not written: its content is not JSON"):
        write_json_atomically(path, data)
    assert read_json(path) == 1


def test_broken_and_missing_files_are_named(tmp_path):
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(DatasetError, match=r"broken\.json is not valid JSON"):
        read_json(tmp_path / "broken.json")
    with pytest.raises(DatasetError, match=r"none\.json cannot be read: no such file or directory"):
        read_json(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("code", "reason"), [(errno.ENOSPC, "no space left on device"), (errno.EACCES, "permission denied")]
)
def test_a_refusing_disk_is_one_sentence_and_leaves_the_old_file(tmp_path, monkeypatch, code, reason):
    path = tmp_path / "a.json"
    write_json_atomically(path, 1)

    def refuse(handle):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(DatasetError, match=f"a.json cannot be written: {reason}"):
        write_json_atomically(path, 2)
    assert read_json(path) == 1
    assert names(tmp_path) == ["a.json"]


def test_a_write_cut_short_by_the_system_leaves_nothing(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(DatasetError, match="big cannot be written: file too large"):
            write_bytes_atomically(tmp_path / "big", b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(tmp_path) == []


def test_temporary_names_know_their_writer(tmp_path):
    with temporary_beside(tmp_path / "a.b-c") as aside:
        assert is_temporary(aside.name)
        assert writer_is_dead(aside) is False
        aside.rename(tmp_path / "kept")
    (tmp_path / "kept").rename(aside)
    assert writer_is_dead(aside) is True  # our own process id, but not in use: a container's old life
    assert not is_temporary("a.b-c")
    assert not is_temporary(".hidden")


def test_the_writer_is_dead_when_its_process_is(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom pacloop.datasets.files import temporary_beside\n"
        "with temporary_beside(Path(sys.argv[1])) as aside:\n  print(aside, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        aside = Path(process.stdout.readline().strip())
        assert writer_is_dead(aside) is False
        process.kill()
        process.wait()
        assert writer_is_dead(aside) is True
    elsewhere = aside.with_name(aside.name.replace(aside.name.split(".")[2], "elsewhere"))
    assert writer_is_dead(aside.rename(elsewhere)) is None


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e400"])
def test_a_number_that_is_not_finite_is_no_json(tmp_path, number):
    path = tmp_path / "a.json"
    path.write_text(f'{{"rate": {number}}}')
    with pytest.raises(DatasetError, match=rf"a\.json is not valid JSON: {number} is no finite number"):
        read_json(path)
