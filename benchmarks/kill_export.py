"""Exports killed by `kill -9` at random moments: what readers find after each, and after the next export.

    python benchmarks/kill_export.py [--kills 200]

Each time a child brings an export up to date that holds some batches already, one of them with an episode
that is excluded now, and dies after a random part of the time that a whole export takes. Then the folder
must be what it was or hold some of the new batches whole, and the next export must leave exactly what one
that nobody killed leaves, to the byte. The files are
read here with nothing but their formats. Each child is a fork of this process, so no TensorFlow may be
in it.
"""

import argparse
import json
import os
import random
import shutil
import signal
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import google_crc32c
from export import fill, make_episode
from machine import machine

from pacloop.datasets import EpisodeStore  # pyright: ignore[reportMissingImports]
from pacloop.datasets.export import export_rlds  # pyright: ignore[reportMissingImports]

EXCLUDED = {"b001/3"}


def main() -> None:
    parser = argparse.ArgumentParser(description="Exports killed at random moments.")
    parser.add_argument("--kills", type=int, default=200)
    kills = parser.parse_args().kills
    print(f"4 new batches beside 3, and 1 written again without an episode; {machine()}\n")
    print("| killed | died at work | states seen | unreadable | not finished by the next |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        print(f"| {' | '.join(map(str, trial(Path(folder), kills)))} |")


def trial(root: Path, kills: int) -> tuple[int, int, int, int, int]:
    """Kills, how many died at work, different states, unreadable ones, ones the next did not finish."""
    store = fill(root / "dataset", 3)
    export_rlds(store, root / "before")
    add(store, 4)
    whole = root / "whole"
    shutil.copytree(root / "before", whole)
    begun = time.perf_counter()
    export_rlds(store, whole, excluded=EXCLUDED)
    limit, wanted, rng = time.perf_counter() - begun, content(whole), random.Random(0)
    died = unreadable = unfinished = 0
    states: set[tuple[str, ...]] = set()
    for _ in range(kills):
        target = root / "target"
        shutil.copytree(root / "before", target)
        died += killed(
            lambda to=target: export_rlds(store, to, excluded=EXCLUDED), rng.uniform(0, 1.2 * limit)
        )
        try:
            states.add(tuple(read_rlds(target)))
        except Exception as error:
            print(f"unreadable: {error}")
            unreadable += 1
        export_rlds(store, target, excluded=EXCLUDED)
        unfinished += content(target) != wanted
        shutil.rmtree(target)
    return kills, died, len(states), unreadable, unfinished


def add(store: EpisodeStore, batches: int) -> None:
    import numpy as np

    rng = np.random.default_rng(1)
    for i in range(batches):
        made = [make_episode(store.schema, 20, rng) for _ in range(10)]
        store.append(made, batch_id=f"new{i}", source="collection", round=9)


def killed(work: Callable[[], object], after_sec: float) -> bool:
    """Run `work` in a child and kill it after so long; whether it was still at work."""
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    time.sleep(after_sec)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1] != 0


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def read_rlds(folder: Path) -> list[str]:
    """Ids of the episodes that `dataset_info.json` counts, with every checksum of every record checked."""
    from tensorflow_datasets.proto import tf_example_pb2

    (path,) = folder.glob("*/*")
    info, found = json.loads((path / "dataset_info.json").read_text()), []
    for number, length in enumerate(info["splits"][0]["shardLengths"]):
        records = read_records(path / f"{info['name']}-train.tfrecord-{number:05d}") if int(length) else []
        assert len(records) == int(length), f"shard {number} has {len(records)} records, not {length}"
        for record in records:
            features = tf_example_pb2.Example.FromString(record).features.feature  # pyright: ignore
            found.append(features["episode_metadata/id"].bytes_list.value[0].decode())
    return found


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


if __name__ == "__main__":
    main()
