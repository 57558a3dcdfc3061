"""Killed anywhere, the same call goes on, ends in the same state, and counts nothing twice."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typed import small

from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.records import Raced
from pacloop.loop.workspace.workspace import Workspace

SCRIPT = Path(__file__).with_name("improve_until_killed.py")
SETTINGS = small(
    collect={"episodes": 12, "actors": 2},
    learn={"clone_steps": 40, "minimum_steps": 160, "maximum_steps": 160, "batch_size": 32},
    gate={"cap": 12, "block": 6},
    dataset={"rlds": "off"},  # the copy for TFDS is killed in tests of its own
)


def make(folder: Path) -> Workspace:
    Workspace.create(folder, parse_config(SETTINGS, "test"))
    add_demonstrations(
        folder, task="pacloop/stack", episodes=10, seed=0, clean=False, bare=False, progress=silent
    )
    return Workspace.open(folder)


def start(folder: Path, stage: str, done: int, rounds: int = 1) -> "subprocess.Popen[bytes]":
    command = [sys.executable, str(SCRIPT), str(folder), stage, "1", str(done), str(rounds)]
    return subprocess.Popen(command, start_new_session=True)


def run(folder: Path, stage: str, done: int, rounds: int = 1) -> int:
    return start(folder, stage, done, rounds).wait(timeout=240)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_killed_in_each_of_its_four_stages_ends_like_one_that_was_not(tmp_path):
    whole, killed = make(tmp_path / "whole"), make(tmp_path / "killed")
    with start(whole.folder, "never", 0) as undisturbed:  # meanwhile
        for stage, done in (("collect", 9), ("append", 0), ("learn", 100), ("race-n4", 3), ("gate", 4)):
            assert run(killed.folder, stage, done) == -signal.SIGKILL
            assert not killed.has_record(1, stage), f"{stage} must not have ended"
        assert run(killed.folder, "never", 0) == 0
        assert undisturbed.wait(timeout=240) == 0

    assert committed(killed) == committed(whole)
    assert killed.record(Raced, 1).episodes == 8
    seeds = [(row.seed, row.policy) for row in killed.store.iter_rows()]
    assert len(seeds) == len(set(seeds)), "an episode is counted twice"
    assert killed.store.verify() == killed.store.leftovers() == []
    weights = [w.policy_folder("r001-pac") / "weights.safetensors" for w in (whole, killed)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert killed.registry.champion() == whole.registry.champion()

    before = written(whole.folder)
    assert run(whole.folder, "never", 0, rounds=0) == 0
    assert before == written(whole.folder), "a run that adds no round finds its work and adds nothing"


def committed(space: Workspace) -> list[tuple[str, str]]:
    """The batches, without the identity of their workspace, and their digests."""
    return sorted((b.id.replace(space.id[:8], ""), b.digest) for b in space.store.batches())


def written(folder: Path) -> dict[Path, int]:
    """When each record was written."""
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*.json") if p.name != "lease.json"}
