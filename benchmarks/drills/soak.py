"""Many rounds of the fast task in one process: memory, handles, threads, disk and seconds a round.

    OMP_NUM_THREADS=1 python benchmarks/drills/soak.py [--rounds 200] [--episodes 500]

Without Ray and Prefect, so that what grows is the loop's own. Every round collects so many episodes and
plays its gate; the target is out of reach. Prints a row for each tenth of the rounds, and the last tenth
against the second; exits 1 where memory or handles of the last are more than a tenth above that, threads
more than half, or a round takes more than twice as long (its dataset is many times as large).
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

import fast
import numpy as np
from machine import machine

from pacloop.loop.episodes.play import Session  # pyright: ignore[reportMissingImports]
from pacloop.loop.progress import silent  # pyright: ignore[reportMissingImports]
from pacloop.loop.stages.improve import improve, play_directly  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.lease import hold  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.workspace import Workspace  # pyright: ignore[reportMissingImports]

ALLOWED = {"memory": 1.1, "handles": 1.1, "threads": 1.5, "seconds": 2.0}


def measure(folder: Path, seconds: float) -> dict[str, float]:
    """What this process and its folder take now."""
    own = psutil.Process()
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        "memory": own.memory_info().rss / 2**20,
        "handles": own.num_fds(),
        "threads": own.num_threads(),
        "disk": sum(path.stat().st_size for path in files) / 2**20,
        "files": len(files),
        "seconds": seconds,
    }


def soak(folder: Path, rounds: int) -> list[dict[str, float]]:
    """Play the rounds; the figures after each."""
    figures: list[dict[str, float]] = []
    space = Workspace.open(folder)
    collectors: Any = fast.Collectors(fast.TASK, space.config.collect.environments)
    with hold(space):
        play = play_directly(Session(space, lambda: collectors, silent))

        def timed(part: str, *arguments: Any) -> Any:
            begun = time.monotonic()
            outcome = play(part, *arguments)
            if part == "round":
                figures.append(measure(folder, time.monotonic() - begun))
            return outcome

        improve(space, timed, rounds=rounds)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--episodes", type=int, default=500)
    options = parser.parse_args()
    print(f"{machine()}\n", flush=True)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        space = fast.make(
            Path(folder) / "space",
            collect={"episodes": options.episodes},
            gate={"block": 50, "cap": 100, "level": 0.9},
            learn={"minimum_steps": 60, "maximum_steps": 60},
        )
        figures = soak(space.folder, options.rounds)
        episodes = sum(batch.episodes for batch in space.open_store().batches())
    names, tenth = list(figures[0]), max(len(figures) // 10, 1)
    rows = [
        {name: float(np.median([row[name] for row in figures[k : k + tenth]])) for name in names}
        for k in range(0, len(figures), tenth)
    ]
    print(f"| rounds to | {' | '.join(names)} |\n|" + "---|" * (len(names) + 1))
    for k, row in enumerate(rows, 1):
        print(f"| {k * tenth} | {' | '.join(f'{value:.4g}' for value in row.values())} |")
    ratios = {name: rows[-1][name] / rows[min(1, len(rows) - 1)][name] for name in names}
    print(f"| last to second | {' | '.join(f'{value:.2f} x' for value in ratios.values())} |")
    print(f"\n{episodes} episodes; memory and disk in MiB, a round in seconds")
    raise SystemExit(any(ratios[name] > most for name, most in ALLOWED.items()))


if __name__ == "__main__":
    main()
