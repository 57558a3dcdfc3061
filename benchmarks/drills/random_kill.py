"""Runs with Ray and Prefect of which something is killed by `kill -9` at random moments, and started again.

    OMP_NUM_THREADS=1 python benchmarks/drills/random_kill.py [--kills 100]

The command is `pacloop improve --rounds 1` of the fast task, from demonstrations over round 0 and a promotion
to the last measurement. Up to three times a run, after a random part of the time that a run takes, one of
these dies: everything at once, the command alone, a raylet, the GCS, a worker of Ray, the server of Prefect.
Where the command goes on by itself it may; where it ends, it is given again. The end must be that of a run
that nobody disturbed: the same episodes, verdicts, champion and weights, and nothing left running.

Prints a table of what was killed, and exits 1 where anything was lost, is there twice or differs.
"""

import argparse
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

import fast
from every_write import short, state
from machine import machine

from pacloop.loop.workspace.workspace import Workspace  # pyright: ignore[reportMissingImports]

PACLOOP = str(Path(sys.executable).with_name("pacloop"))
VICTIMS = {
    "everything": "",
    "the command": "",
    "raylet": "raylet/raylet",
    "GCS": "gcs_server",
    "a worker": "ray::",
    "Prefect's server": "prefect.server",
}
KILLS_A_RUN = 3
LIMIT_SEC = 300.0


@dataclass
class Row:
    """What came of the kills of one kind of victim."""

    tries: int = 0
    killed: int = 0
    went_on: int = 0


def start(folder: Path) -> "subprocess.Popen[bytes]":
    """The command, in a session of its own, with a home of its own."""
    command = [PACLOOP, "improve", "--workspace", str(folder / "space"), "--rounds", "1"]
    environment = os.environ | {"HOME": str(folder / "home"), "PYTHONPATH": fast.python_path()}
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


def family(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """The command and whatever it started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        own = psutil.Process(process.pid)
        return [own, *own.children(recursive=True)]
    return []


def kill(process: "subprocess.Popen[bytes]", victim: str) -> bool:
    """Kill one of the family, or all; whether there was one."""
    everybody = family(process)
    if victim == "the command":
        everybody = everybody[:1]
    elif victim != "everything":
        everybody = [one for one in everybody if VICTIMS[victim] in words(one)][:1]
    for one in everybody:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    return bool(everybody)


def words(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return " ".join(process.cmdline())
    return ""


def ended(folder: Path) -> bool:
    """Whether the run has come to its last measurement."""
    return any(folder.glob("space/rounds/001/final-*.json"))


def disturbed(folder: Path, limit_sec: float, rng: random.Random, rows: dict[str, Row], kills: int) -> str:
    """A run with some kills; how it ended, in a word or a sentence."""
    process = start(folder)
    for _ in range(kills):
        victim = rng.choice(list(VICTIMS))
        rows[victim].tries += 1
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0, limit_sec))
        if process.poll() is not None:
            break
        killed = kill(process, victim)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        rows[victim].killed += killed
        rows[victim].went_on += killed and process.poll() is None
        if process.poll() is not None and not ended(folder):
            process = start(folder)
    try:
        process.wait(LIMIT_SEC)
        for _ in range(2):
            if ended(folder):
                return "ended"
            process = start(folder)
            process.wait(LIMIT_SEC)
    except subprocess.TimeoutExpired:
        kill(process, "everything")
        return "hangs"
    return "ended" if ended(folder) else "failed"


def left_running(folder: Path) -> list[str]:
    """Processes that still work on the run a while after it ended."""
    left: list[str] = []
    for _ in range(20):
        left = [words(one) for one in psutil.process_iter() if str(folder) in " ".join(one_environment(one))]
        if not left:
            return []
        time.sleep(1)
    return left


def one_environment(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return list(process.environ().values())
    return []


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    options = parser.parse_args()
    print(f"{machine()}\n", flush=True)
    rng, rows, bad = random.Random(0), {victim: Row() for victim in VICTIMS}, 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as root:
        before = Path(root) / "before"
        fast.make(before / "space")
        (before / "home").mkdir()
        whole = Path(shutil.copytree(before, Path(root) / "whole"))
        begun = time.monotonic()
        start(whole).wait(LIMIT_SEC)
        limit_sec, wanted = time.monotonic() - begun, final(whole)
        runs = 0
        while sum(row.killed for row in rows.values()) < options.kills:
            folder = Path(shutil.copytree(before, Path(root) / f"run{runs}"))
            outcome = disturbed(folder, limit_sec, rng, rows, KILLS_A_RUN)
            faults = judge(folder, outcome, wanted)
            if faults:
                bad += 1
                print(f"    run {runs}: {faults}", file=sys.stderr, flush=True)
            else:
                shutil.rmtree(folder, ignore_errors=True)
            runs += 1
    print("| killed | tries | killed at work | went on by itself |\n|---|---|---|---|")
    for victim, row in rows.items():
        print(f"| {victim} | {row.tries} | {row.killed} | {row.went_on} |")
    print(f"\n{runs} runs of {limit_sec:.0f} s; lost, twice or otherwise wrong: {bad} (must be 0)")
    raise SystemExit(1 if bad else 0)


def final(folder: Path) -> dict[str, Any]:
    """The state at the end; a sweep first, as the next run would do."""
    space = Workspace.open(folder / "space")
    space.open_store().clean()
    return state(folder / "space")


def judge(folder: Path, outcome: str, wanted: dict[str, Any]) -> str:
    """What is wrong with a run; empty where nothing is."""
    if outcome != "ended":
        return f"it {outcome}: {(folder / 'log').read_text()[-600:]}"
    seen = final(folder)
    differences = {key: [wanted[key], seen[key]] for key in wanted if wanted[key] != seen[key]}
    if differences:
        return short(differences)
    return f"still running: {left}" if (left := left_running(folder)) else ""


if __name__ == "__main__":
    main()
