"""The headline run over several seeds: what `make demo` reaches, its spread, its time and its memory.

    OMP_NUM_THREADS=1 python benchmarks/headline.py --seeds 0 1 2 [--keep FOLDER]

Each seed is one `pacloop demo` in a fresh workspace, one after the other. Prints the rounds of every
seed, and one line a seed with its final measurement on 300 fresh episodes. A seed that falls short is
printed like any other.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--keep", type=Path, help="leave the workspaces here")
    wanted = parser.parse_args()
    print(machine(), flush=True)
    summary = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in wanted.seeds:
            space = (wanted.keep or Path(folder)) / f"seed-{seed}"
            minutes, code = run(space, seed)
            rows = status(space)
            print(f"\nseed {seed}\n\n{table(rows)}", flush=True)
            rates = {row["name"]: row["rate"] for row in rows}
            rounds = sum(row["name"].startswith("round") for row in rows)
            shown = [
                rates.get(name) for name in ("demonstrations", "BC", "PAC on the demonstrations", "final")
            ]
            cells = " | ".join("" if rate is None else f"{rate:.1%}" for rate in shown)
            summary.append(f"| {seed} | {cells} | {rounds} | {minutes:.1f} | {code} |")
    print("\n| seed | demonstrations | BC | PAC on the demonstrations | final | rounds | minutes | exit |")
    print("|---|---|---|---|---|---|---|---|")
    print("\n".join(summary))
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"\nlargest single process: {largest:.2f} GiB")


def run(space: Path, seed: int) -> tuple[float, int]:
    """One whole run; wall minutes and exit status."""
    begun = time.monotonic()
    pacloop = str(Path(sys.executable).with_name("pacloop"))
    command = [pacloop, "demo", "--workspace", str(space), "--seed", str(seed)]
    code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
    return (time.monotonic() - begun) / 60, code


def status(space: Path) -> list[dict]:
    """The rows of `pacloop status`."""
    pacloop = str(Path(sys.executable).with_name("pacloop"))
    command = [pacloop, "status", "--workspace", str(space), "--json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["rows"]


def table(rows: list[dict]) -> str:
    """The rows as markdown."""
    lines = [
        "| | success | 95 % interval | n | verdict | episodes | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        low, high = row["interval"]
        cells = [row["name"], f"{row['rate']:.1%}", f"{low:.0%} to {high:.0%}", row["n"], row["verdict"]]
        lines.append("| " + " | ".join(map(str, [*cells, row["episodes"], round(row["seconds"])])) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
