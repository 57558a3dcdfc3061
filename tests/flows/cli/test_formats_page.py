"""docs/formats.md shows every format going in: its commands are typed here, and must say what it says."""

import io
import re
import shlex
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from foreign import (
    make_episode,
    write_lerobot,
    write_minari,
    write_npz,
    write_pacloop,
    write_rlds,
    write_robomimic,
)

from pacloop.datasets import Field
from pacloop.flows.cli.main import main
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace

PAGE = Path(__file__).parents[3] / "docs" / "formats.md"
CHANCE = [
    (r"inject-[0-9a-f]{16}", "inject-ID"),
    (r"\d{4}-\d\d-\d\dT[\d:]+", "TIME"),
    (r"(?m)^/\S*/recordings/", "/home/anna/recordings/"),
    (r"(eof|base_addr|stored_eof) = \d+", r"\1 = N"),
]
"""What differs from run to run."""


def commands():
    """Each command of the page, and what the page says it printed, with the exit status where not 0."""
    found, lines = [], iter(PAGE.read_text().splitlines())
    for line in lines:
        if line.startswith("    $ "):
            command = line[6:]
            while command.count('"') % 2:
                command += next(lines).strip()
            printed = []
            for said in lines:
                if not said.startswith("    "):
                    break
                printed.append(said[4:])
            found.append((command, "\n".join(printed)))
    return found


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    return Workspace.create(tmp_path_factory.mktemp("page") / "w", parse_config({}, "test")).task.schema


@pytest.fixture
def recordings(tmp_path, schema):
    """What the page's commands name, with the workspace that they go to."""
    seeds = iter(range(100))

    def episodes(of=schema, steps=40):
        return [make_episode(steps + i, next(seeds), float(i % 2), of) for i in range(4)]

    folder = tmp_path / "recordings"
    first = episodes()
    first[2].action[:, 4] = np.linspace(1.51178, 89.1688, first[2].length)
    first[3].observation["hand"][7, 2] = np.nan
    whole = write_robomimic(folder, first, schema).read_bytes()
    (folder / "half.hdf5").write_bytes(whole[:-5000])
    write_minari(folder / "stack-v0", episodes(), schema)
    arm = replace(schema, observation={"state": Field((27,)), "images/front": Field((32, 32, 3), "uint8")})
    write_lerobot(folder / "so101", episodes(arm), arm)
    write_npz(folder / "teleop", episodes(), schema)
    write_pacloop(folder / "theirs", episodes(), schema)
    write_rlds(folder, episodes(), schema).parent.rename(folder / "stack_demos")
    Workspace.create(tmp_path / "workspace", parse_config({}, "test"))
    return folder


def printed_by(command, monkeypatch):
    """What a command prints, both streams, with its exit status where that is not 0."""
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    printed, code = io.StringIO(), 0
    with redirect_stdout(printed), redirect_stderr(printed):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    return printed.getvalue().rstrip() + (f"\n[exit {code}]" if code else "")


def plain(text):
    for pattern, word in CHANCE:
        text = re.sub(pattern, word, text)
    return [line.rstrip() for line in text.splitlines() if not line.endswith("s left")]


def test_every_command_prints_what_the_page_says(recordings, monkeypatch):
    monkeypatch.chdir(recordings.parent)
    monkeypatch.delenv("PACLOOP_WORKSPACE", raising=False)
    shown = commands()
    assert len(shown) > 10
    for command, says in shown:
        assert plain(printed_by(command, monkeypatch)) == plain(says), command
