"""Seconds of a round outside its stages: Prefect, Ray, records, the RLDS mirror, the pages and their films.

    OMP_NUM_THREADS=1 python benchmarks/overhead.py [--rounds 2]

Runs `pacloop improve` on a small workspace, as a user would, and takes the stages' own seconds from
the workspace's records. What is left is start-up (once a run) and orchestration (once a round), told
apart by Prefect's own record of when each round's flow run began and ended.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine

SETTINGS = """
version = 1
task = "pacloop/stack"
[collect]
episodes = 100
[learn]
clone_steps = 100
improve_steps = 100
minimum_steps = 300
maximum_steps = 300
[gate]
cap = 100
[improve]
baseline_episodes = 50
evaluation_episodes = 50
"""
STAGES = ("collect", "append", "learn", "screen", "race", "gate")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        space = Path(folder) / "workspace"
        space.mkdir()
        (space / "pacloop.toml").write_text(SETTINGS)
        environment = os.environ | {"PREFECT_HOME": str(Path(folder) / "prefect")}
        pacloop = [str(Path(sys.executable).with_name("pacloop"))]
        subprocess.run([*pacloop, "demonstrate", "-w", str(space)], check=True, stdout=subprocess.DEVNULL)
        begun = time.monotonic()
        command = [*pacloop, "improve", "-w", str(space), "--rounds", str(rounds)]
        subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL)
        total = time.monotonic() - begun
        flows = flow_seconds(Path(folder) / "prefect" / "prefect.db")
        print(machine())
        print("| round | seconds of its flow run | of its stages | outside | for a 3-minute round |")
        print("|---|---|---|---|---|")
        spent = 0.0
        for number in range(1, rounds + 1):
            inside = sum(stage_seconds(space, number, stage) for stage in STAGES)
            whole = flows[number - 1]
            spent += whole
            outside = whole - inside
            print(f"| {number} | {whole:.1f} | {inside:.1f} | {outside:.1f} | {outside / 180:.1%} |")
        print(f"\nwhole run {total:.1f} s, of which {spent:.1f} s in rounds")


def stage_seconds(space: Path, number: int, stage: str) -> float:
    """What a stage recorded of itself."""
    return json.loads((space / "rounds" / f"{number:03d}" / f"{stage}.json").read_text())["seconds"]


def flow_seconds(database: Path) -> list[float]:
    """Wall seconds of each round's flow run, from Prefect's database."""
    import sqlite3

    query = """
      select (julianday(fr.end_time) - julianday(fr.start_time)) * 86400
      from flow_run fr join flow f on f.id = fr.flow_id where f.name = 'round' order by fr.start_time
    """
    with sqlite3.connect(database) as connection:
        return [row[0] for row in connection.execute(query)]


if __name__ == "__main__":
    main()
