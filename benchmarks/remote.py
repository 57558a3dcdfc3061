"""What a dataset in a bucket costs, against the library underneath moving the same bytes.

    python benchmarks/remote.py [--batches 12]

The bucket is moto's, in a process of its own on loopback: its own time is most of every row, so only the
ratios say something of pacloop. An append makes six requests (is it there, two uploads, two reads back, the
commit) where the library's row makes two. The local store syncs as it always does.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from append import ACTION, OBSERVATION, STEPS, make_episode
from machine import machine

from pacloop.datasets import EpisodeStore, Field, Schema  # pyright: ignore[reportMissingImports]
from pacloop.datasets.store.bucket import CachedBucket  # pyright: ignore[reportMissingImports]

EPISODES = 10
BOUND = (1.0,) * ACTION
SCHEMA = Schema(
    task="benchmark",
    observation={"state": Field((OBSERVATION,))},
    action=Field((ACTION,)),
    action_minimum=tuple(-x for x in BOUND),
    action_maximum=BOUND,
    control_hz=20.0,
    horizon=STEPS,
)


def main() -> None:
    parser = argparse.ArgumentParser(description="A dataset in a bucket, against obstore alone.")
    parser.add_argument("--batches", type=int, default=12)
    count = parser.parse_args().batches
    server = serve()
    try:
        with tempfile.TemporaryDirectory() as folder:
            rows, size = measure(Path(folder), count)
    finally:
        server.terminate()
    print(f"{count} batches of {EPISODES} episodes, {size / 1e6:.2f} MB each; {machine()}\n")
    print("| what | ms a batch | times the library |\n|---|---|---|")
    for name, seconds, peer in rows:
        ratio = f"{seconds / peer:.2f}" if peer else ""
        print(f"| {name} | {1e3 * seconds / count:.1f} | {ratio} |")


def serve() -> subprocess.Popen:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(600):
        try:
            make = urllib.request.Request(f"http://127.0.0.1:{port}/bench", method="PUT")
            opener.open(make).close()
            return server
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not start")


def measure(folder: Path, count: int) -> tuple[list[tuple[str, float, float | None]], int]:
    import obstore
    from obstore.store import from_url

    batches = [[make_episode(EPISODES * i + k) for k in range(EPISODES)] for i in range(count)]
    local = EpisodeStore.create(folder / "local", SCHEMA)
    store = EpisodeStore.create(CachedBucket("s3://bench/data", folder / "one", 2**40), SCHEMA)

    def append_to(target: EpisodeStore) -> Callable[[int], object]:
        return lambda i: target.append(batches[i], batch_id=f"b{i}", source="collection")

    warm = EpisodeStore.create(CachedBucket("s3://bench/warm", folder / "warm", 2**40), SCHEMA)
    warm.append(batches[0], batch_id="a", source="collection")  # imports, and the server's first requests
    locally = timed(append_to(local), count)
    appended = timed(append_to(store), count)
    files = [sorted(local.file(f"b{i}", "steps.arrow").parent.glob("*.arrow")) for i in range(count)]
    raw = from_url("s3://bench/raw", client_options={"allow_http": True})
    put = timed(lambda i: [obstore.put(raw, f"{i}/{path.name}", path) for path in files[i]], count)
    got = timed(lambda i: [bytes(obstore.get(raw, f"{i}/{path.name}").bytes()) for path in files[i]], count)
    elsewhere = CachedBucket("s3://bench/data", folder / "two", 2**40)
    other = EpisodeStore.open(elsewhere)
    listed = timed(lambda _: EpisodeStore.open(elsewhere).batches(), 1)
    other.batches()
    read = lambda i: list(other.episodes(f"b{i}"))  # noqa: E731
    first, second = timed(read, count), timed(read, count)
    from_disk = timed(lambda i: list(local.episodes(f"b{i}")), count)
    rows = [
        ("library: two uploads", put, None),
        ("append", appended, put),
        ("append to a local store", locally, None),
        ("library: two downloads into memory", got, None),
        ("first read: downloaded, checked, synced, mapped", first, got),
        ("second read: mapped from the cache", second, got),
        ("read of a local store", from_disk, None),
        ("opening and listing, all manifests fetched", listed, None),
    ]
    return rows, sum(path.stat().st_size for path in files[0])


def timed(work: Callable[[int], object], count: int) -> float:
    begun = time.perf_counter()
    for index in range(count):
        work(index)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
