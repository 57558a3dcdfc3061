"""Appends, injections and exports killed by `kill -9` at random moments: what is there afterwards.

    python benchmarks/kill_drill.py [--what append inject export] [--kills 200]

Each time a child does the work on a copy of the same folder and dies at a random moment of the time that the
whole work takes; those that ended before do not count. Then every reader's view must be whole and hold
all that the child had reported as committed; and the same command, run again, must leave exactly what an
undisturbed one leaves: nothing lost, nothing twice, nothing half-written beside it.

* append: 6 batches, then what the loop's append stage does: clean up.
* inject: 12 episodes of `.npz` files in 4 batches or more, a bad one into quarantine.
* export: 4 new RLDS shards beside 3, and 1 written again without an episode that was excluded since.

Prints what was found beside what must be found, and exits 1 where they differ. Each child is a fork of
this process, so no TensorFlow may be in it.
"""

import argparse
import json
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import foreign
import google_crc32c
import numpy as np
from export import fill, make_episode
from machine import machine

from pacloop.datasets import EpisodeStore  # pyright: ignore[reportMissingImports]
from pacloop.datasets.exports.tfds.rlds import export_rlds  # pyright: ignore[reportMissingImports]
from pacloop.datasets.records.rows import episode_digest  # pyright: ignore[reportMissingImports]
from pacloop.datasets.store.quarantine import read_quarantine  # pyright: ignore[reportMissingImports]
from pacloop.loop.injection import inject as injection  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.config import parse_config  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.workspace import Workspace  # pyright: ignore[reportMissingImports]

EXCLUDED = {"b001/3"}

Tell = Callable[[str], None]
"""Called with the key of each episode whose commit was reported."""


@dataclass(frozen=True)
class Drill:
    """What is killed: all functions take the folder that it works in.

    Attributes:
      prepare: fills the folder with what was there before.
      work: the command.
      read: keys of the episodes that a reader finds; raises where anything is not whole.
      final: what two runs that ended well must agree on.
    """

    prepare: Callable[[Path], None]
    work: Callable[[Path, Tell], None]
    read: Callable[[Path], list[str]]
    final: Callable[[Path], Any]


@dataclass
class Found:
    """What the kills of a drill left: all but the first three must be 0."""

    killed: int = 0
    ended_before: int = 0
    states: set[tuple[str, ...]] = field(default_factory=set)
    lost: int = 0
    twice: int = 0
    unreadable: int = 0
    unfinished: int = 0
    left_over: int = 0

    def row(self) -> list[int]:
        faults = [self.lost, self.twice, self.unreadable, self.unfinished, self.left_over]
        return [self.killed, self.ended_before, len(self.states), *faults]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--what", nargs="+", choices=DRILLS, default=list(DRILLS))
    parser.add_argument("--kills", type=int, default=200)
    options = parser.parse_args()
    print(f"{machine()}\n")
    print(
        "| killed at work | times | ended before | states seen | episodes lost | twice | unreadable |", end=""
    )
    print(" not finished by the next | files left over |\n|" + "---|" * 9)
    bad = 0
    for name in options.what:
        with tempfile.TemporaryDirectory() as folder:
            row = trial(DRILLS[name], Path(folder), options.kills).row()
        bad += sum(row[3:])
        print(f"| {name} | {' | '.join(map(str, row))} |", flush=True)
    print("| must be | | | | 0 | 0 | 0 | 0 | 0 |")
    assert "tensorflow" not in sys.modules
    raise SystemExit(1 if bad else 0)


def trial(drill: Drill, root: Path, kills: int) -> Found:
    """Kill the work until so many died of it."""
    found, rng = Found(), random.Random(0)
    drill.prepare(root / "before")
    drill.work(whole := fresh(root, "whole"), lambda key: None)  # imports what it needs
    wanted = drill.final(whole)
    limit_sec = max(undisturbed(drill, fresh(root, "whole")) for _ in range(3))
    while found.killed < kills and found.ended_before < 10 * kills:
        one(drill, fresh(root, "target"), wanted, rng.uniform(0, limit_sec), found)
    return found


def undisturbed(drill: Drill, folder: Path) -> float:
    """Seconds of the work in a child that nobody kills: a fork is slower than its parent."""
    begun = time.perf_counter()
    ended(*started(lambda tell: drill.work(folder, tell)))
    return time.perf_counter() - begun


def one(drill: Drill, target: Path, wanted: Any, after_sec: float, found: Found) -> None:
    """One kill, and what it and the next run left."""
    died, told = killed(lambda tell: drill.work(target, tell), after_sec)
    found.killed += died
    found.ended_before += not died
    try:
        seen = drill.read(target)
        drill.work(target, lambda key: None)
        after = drill.read(target)
    except Exception:
        traceback.print_exc()
        found.unreadable += 1
        return
    found.states.add(tuple(sorted(seen)))
    found.lost += len(set(told) - set(seen)) + len(set(seen) - set(after))
    found.twice += len(seen) - len(set(seen)) + len(after) - len(set(after))
    found.unfinished += drill.final(target) != wanted
    found.left_over += len(list(target.rglob(".*.tmp")))


def killed(work: Callable[[Tell], None], after_sec: float) -> tuple[bool, list[str]]:
    """Run `work` in a child and kill it after so long; whether it was at work, and what it had told."""
    child, pipe = started(work)
    time.sleep(after_sec)
    os.kill(child, signal.SIGKILL)
    return ended(child, pipe)


def started(work: Callable[[Tell], None]) -> tuple[int, int]:
    """A child that runs `work`, and the pipe that it tells into."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        work_and_exit(work, writer)
    os.close(writer)
    return child, reader


def ended(child: int, pipe: int) -> tuple[bool, list[str]]:
    """Wait for a child; whether it was killed, and what it had told."""
    code = os.waitpid(child, 0)[1]
    with os.fdopen(pipe) as lines:
        told = lines.read().split("\n")[:-1]
    if code and not os.WIFSIGNALED(code):
        raise RuntimeError("the work failed by itself")
    return code != 0, told


def work_and_exit(work: Callable[[Tell], None], pipe: int) -> None:
    def tell(key: str) -> None:
        os.write(pipe, f"{key}\n".encode())

    try:
        work(tell)
        os._exit(0)
    finally:
        traceback.print_exc()
        os._exit(1)


def fresh(root: Path, name: str) -> Path:
    shutil.rmtree(root / name, ignore_errors=True)
    return shutil.copytree(root / "before", root / name)


def read_store(folder: Path) -> list[str]:
    """Digests of all episodes of a store that is whole but for what dead writers left aside."""
    store = EpisodeStore.open(folder)
    assert not (faults := store.verify()), faults
    return [episode_digest(episode) for batch in store.batches() for episode in store.episodes(batch)]


def final_store(folder: Path) -> Any:
    store = EpisodeStore.open(folder)
    assert not (left := store.leftovers()), left
    return sorted(read_store(folder)), [record["entries"] for record in read_quarantine(store)]


def append(folder: Path, tell: Tell) -> None:
    store, rng = EpisodeStore.open(folder), np.random.default_rng(1)
    for i in range(6):
        made = [make_episode(store.schema, 20, rng) for _ in range(5)]
        store.append(made, batch_id=f"new{i}", source="collection", round=9)
        for episode in made:
            tell(episode_digest(episode))
    store.clean()


def prepare_injection(folder: Path) -> None:
    Workspace.create(folder, parse_config({}, "drill"))
    EpisodeStore.create(folder / "dataset", foreign.SCHEMA)
    made = [foreign.make_episode(20, seed) for seed in range(13)]
    made[7].action[:] = np.nan
    foreign.write_npz(folder / "theirs", made, foreign.SCHEMA)


def inject(folder: Path, tell: Tell) -> None:
    injection.PART_BYTES = 2**17  # a batch of two or three episodes
    space = Workspace.open(folder)

    def progress(stage: str, done: int, total: int, note: str = "") -> None:
        if stage == "commit":
            for episode in space.open_store().episodes(note):
                tell(episode_digest(episode))

    injection.inject(space, injection.Request(folder / "theirs"), progress)


def prepare_export(folder: Path) -> None:
    store = fill(folder / "dataset", 3)
    export_rlds(store, folder / "rlds")
    rng = np.random.default_rng(1)
    for i in range(4):
        made = [make_episode(store.schema, 20, rng) for _ in range(10)]
        store.append(made, batch_id=f"new{i}", source="collection", round=9)


def export(folder: Path, _tell: Tell) -> None:
    export_rlds(EpisodeStore.open(folder / "dataset"), folder / "rlds", excluded=EXCLUDED)


def read_rlds(folder: Path) -> list[str]:
    """Ids of the episodes that `dataset_info.json` counts, with every checksum of every record checked."""
    from tensorflow_datasets.proto import tf_example_pb2

    (path,) = (folder / "rlds").glob("*/*")
    info, found = json.loads((path / "dataset_info.json").read_text()), []
    for number, length in enumerate(info["splits"][0]["shardLengths"]):
        records = read_records(path / f"{info['name']}-train.tfrecord-{number:05d}") if int(length) else []
        assert len(records) == int(length), f"shard {number} has {len(records)} records, not {length}"
        for record in records:
            features = tf_example_pb2.Example.FromString(record).features.feature  # pyright: ignore
            found.append(features["episode_metadata/id"].bytes_list.value[0].decode())
    return [episode for episode in found if episode not in EXCLUDED]


def read_records(path: Path) -> list[bytes]:
    data, at, records = path.read_bytes(), 0, []
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        for start, size in ((at, 8), (at + 12, length)):
            crc = google_crc32c.value(data[start : start + size])
            masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
            assert struct.unpack_from("<I", data, start + size) == (masked,), f"{path} has a bad checksum"
        records.append(data[at + 12 : at + 12 + length])
        at += 16 + length
    return records


def final_export(folder: Path) -> Any:
    """Every byte of the export."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in (folder / "rlds").rglob("*") if p.is_file()}


DRILLS = {
    "append": Drill(lambda folder: fill(folder, 2) and None, append, read_store, final_store),
    "inject": Drill(
        prepare_injection,
        inject,
        lambda folder: read_store(folder / "dataset"),
        lambda folder: final_store(folder / "dataset"),
    ),
    "export": Drill(prepare_export, export, read_rlds, final_export),
}


if __name__ == "__main__":
    main()
