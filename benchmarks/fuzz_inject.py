"""Feeds damaged files of every format to `pacloop inject`, and counts how each one ended.

    python benchmarks/fuzz_inject.py [--files 10000] [--seed 0]

Each file must end in one clear sentence, or in episodes that are accepted or quarantined. A traceback,
a hang, a crash, a partial batch, or memory beyond 1 GiB above what importing the readers takes is a
failure; they are printed, and the script exits 1. Case k of a seed is always the same file. Files are
injected in a child process, one after the other; a crash costs one file, and the child is started again.
All happens in memory where the system offers a folder there: what `fsync` costs is not the question.
"""

import argparse
import json
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corrupt import corrupt
from foreign import SCHEMA, WRITERS, make_episode
from machine import machine

SECONDS = 30  # of processor time a file: a busy machine is no hang
TELL_EVERY = 250  # files
STUCK_SECONDS = 1200  # silence after which the child is killed: it waits for what never comes
MEMORY = 2**30  # bytes above what the child takes when everything is imported
ENDS = ("clear error", "quarantined", "accepted")
IN_MEMORY = Path("/dev/shm")


class Hang(BaseException):
    """No Exception, so that nothing on the way takes it for a damaged file."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the first case")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    last = options.first + options.files
    if options.child:
        child(options.child, options.seed, options.first, last)
        return
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
        write_all(Path(folder))
        cases = [told(case, last) for case in parent(Path(folder), options.seed, options.first, last)]
    worked = resource.getrusage(resource.RUSAGE_CHILDREN)
    report(cases, time.perf_counter() - begun, worked.ru_utime + worked.ru_stime)
    raise SystemExit(1 if any(case["end"] not in ENDS for case in cases) else 0)


def write_all(folder: Path) -> None:
    """The whole files that will be damaged."""
    episodes = [make_episode(steps, seed, seed % 2) for seed, steps in enumerate((5, 9, 3))]
    for name, write in WRITERS.items():
        write(folder / "whole" / name, episodes, SCHEMA)


def parent(folder: Path, seed: int, first: int, last: int) -> Iterator[dict[str, Any]]:
    """Run children until every case has ended; a case that ends with its child is a crash."""
    while first < last:
        words = ["--child", folder, "--seed", seed, "--first", first, "--files", last - first]
        command = [sys.executable, __file__, *map(str, words)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            while select.select([process.stdout], [], [], STUCK_SECONDS)[0]:
                line = process.stdout.readline()
                if not line.startswith("{"):
                    break
                first += 1
                yield json.loads(line)
            process.kill()
            code = process.wait()
        if first < last:
            yield {"case": first, "end": "crash", "what": f"the process died ({code})", "how": "", "name": ""}
            first += 1


def child(folder: Path, seed: int, first: int, last: int) -> None:
    """Inject the cases one by one; a line of JSON for each."""
    signal.signal(signal.SIGPROF, on_alarm)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no result
    import tensorflow  # noqa: F401

    for name in WRITERS:  # imports everything else that any format needs
        run(folder / "whole" / name, folder / "warm")
    peak()
    base = peak()
    for case in range(first, last):
        rng = random.Random(f"{seed}-{case}")
        name = rng.choice(sorted(WRITERS))
        victim = folder / "victim"
        shutil.rmtree(victim, ignore_errors=True)
        shutil.copytree(folder / "whole" / name, victim)
        how = corrupt(victim, rng)
        peak()
        end, what = run(victim, folder / "space", "auto" if rng.random() < 0.5 else name.split("-")[0])
        taken = peak() - base
        if taken > MEMORY:
            end, what = "memory", f"{taken / 2**20:.0f} MiB"
        row = {"case": case, "name": name, "how": how, "end": end, "what": what, "bytes": taken}
        print(json.dumps(row), file=out, flush=True)


def run(path: Path, folder: Path, format: str = "auto") -> tuple[str, str]:
    """How one injection into a fresh workspace ended, and in which words."""
    from pacloop.datasets import EpisodeStore  # pyright: ignore[reportMissingImports]
    from pacloop.datasets.errors import PacloopError  # pyright: ignore[reportMissingImports]
    from pacloop.loop.injection.inject import Request, inject  # pyright: ignore[reportMissingImports]
    from pacloop.loop.progress import silent  # pyright: ignore[reportMissingImports]
    from pacloop.loop.workspace.config import parse_config  # pyright: ignore[reportMissingImports]
    from pacloop.loop.workspace.workspace import Workspace  # pyright: ignore[reportMissingImports]

    shutil.rmtree(folder, ignore_errors=True)
    space = Workspace.create(folder, parse_config({}, "fuzz"))
    store = EpisodeStore.create(folder / "dataset", SCHEMA)
    found = inner(path)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        outcome = inject(space, Request(found, format if format != "pacloop" else "auto"), silent)
        end, what = "quarantined" if outcome.quarantined else "accepted", str(outcome.reasons())
        expected = outcome.accepted
    except PacloopError as error:
        end, what, expected = "clear error", str(error), 0
        if "\n" in what or len(what) > 1000:
            end = "no sentence"
    except Hang:
        return "hang", traceback.format_exc()
    except Exception:
        return "traceback", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    wrong = store.verify()
    if wrong or sum(batch.episodes for batch in store.batches()) != expected:
        return "partial batch", str(wrong)
    return end, what


def inner(path: Path) -> Path:
    """What a user would name: the lone file in the folder, or the folder."""
    files = list(path.iterdir()) if path.is_dir() else []
    return files[0] if len(files) == 1 and files[0].suffix == ".hdf5" else path


def on_alarm(*_: object) -> None:
    raise Hang


def peak() -> int:
    """The most memory, in bytes, that this process had since it was last asked, as Linux counts it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return found


def told(case: dict[str, Any], last: int) -> dict[str, Any]:
    if (case["case"] + 1) % TELL_EVERY == 0 or case["end"] not in ENDS:
        print(f"case {case['case']} of {last}: {case['end']}", file=sys.stderr, flush=True)
    return case


def report(cases: list[dict[str, Any]], seconds: float, cpu_seconds: float) -> None:
    most = max(case.get("bytes", 0) for case in cases) / 2**20
    print(f"{len(cases)} damaged files in {seconds:.0f} s ({cpu_seconds:.0f} of a processor); {machine()}")
    print(f"most memory of a file: {most:.0f} MiB above what importing the readers takes\n")
    kinds = sorted({case["end"] for case in cases} - set(ENDS))
    ends = [*ENDS, *kinds]
    print(f"| format | files | {' | '.join(ends)} |\n|---|---|" + "---|" * len(ends))
    for name in [*sorted({case["name"] for case in cases}), "all"]:
        own = Counter(case["end"] for case in cases if name in (case["name"], "all"))
        counts = " | ".join(str(own[end]) for end in ends)
        print(f"| {name} | {own.total()} | {counts} |")
    for case in cases:
        if case["end"] not in ENDS:
            print(f"\ncase {case['case']}, {case['name']}, {case['how']}: {case['end']}\n{case['what']}")


if __name__ == "__main__":
    main()
