"""`pacloop dataset export` as a user types it."""

import json
import subprocess
from pathlib import Path

import pytest
from typed import pacloop


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "space"
    done = pacloop("demonstrate", "--workspace", folder, "--episodes", 40, "--seed", 3, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    return folder


def export(space, cwd, *words):
    return pacloop("dataset", "export", *words, "-w", space, cwd=cwd)


def test_the_default_is_rlds_and_the_printed_lines_read_it(space, tmp_path):
    done = export(space, tmp_path, "my 'out'")
    assert done.returncode == 0, done.stderr
    *progress, summary, first, second = done.stdout.splitlines()
    assert progress == ["export      40/40  episodes"]
    path = tmp_path / "my 'out'" / "pacloop_stack" / "1.0.0"
    assert summary.startswith("1 new shard; 40 episodes, ")
    assert summary.endswith(f" MB in {path}; to read it:")
    names = {}
    exec(f"{first}\n{second}", names)
    assert len(names["episodes"]) == 40
    again = export(space, tmp_path, "my 'out'")
    assert again.stdout.startswith("0 new shards; 40 episodes, ")


@pytest.mark.parametrize("format", ["rlds", "parquet", "lerobot"])
def test_json_for_scripts(space, tmp_path, format):
    found = json.loads(export(space, tmp_path, "out", "--format", format, "--json").stdout)
    assert (found["shards"], found["episodes"]) == (1, 40)
    assert found["bytes"] > 100_000
    assert Path(found["path"]).is_relative_to(tmp_path / "out")
    assert len(found["read"]) == 2


def test_what_is_refused_is_one_sentence(space, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    export(space, tmp_path, "lerobot", "--format", "lerobot")
    for words, sentence in [
        (["file"], "cannot be made: not a directory"),
        (["taken", "--format", "parquet"], "has files that are no export of pacloop's (e.g. notes.txt)"),
        (["lerobot", "--format", "parquet"], "is an export to lerobot, not to parquet"),
        (["/proc/out"], "cannot be made: no such file"),
    ]:
        done = export(space, tmp_path, *words)
        assert done.returncode == 2, done.stdout
        assert "Traceback" not in done.stderr
        (line,) = done.stderr.strip().splitlines()
        assert sentence in line
    assert [p.name for p in (tmp_path / "taken").iterdir()] == ["notes.txt"]
    assert export(space, tmp_path, "out", "--format", "csv").returncode == 2
    assert "is no workspace" in export(tmp_path / "nowhere", tmp_path, "out").stderr


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mounting needs root: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("format", ["rlds", "parquet", "lerobot"])
def test_no_space_left(space, small_disk, format):
    done = export(space, small_disk.parent, small_disk / "out", "--format", format)
    assert done.returncode == 2, done.stdout
    (line,) = done.stderr.strip().splitlines()
    assert line.endswith("cannot be written: no space left on device")
    assert not list(small_disk.rglob(".*.tmp")), "half a file is left"
