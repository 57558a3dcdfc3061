"""A run that dies before each of its writes, one after the other, and is started again: what is there then.

    OMP_NUM_THREADS=1 python benchmarks/drills/every_write.py [--where folder bucket] [--stride 1]

A write is whatever changes what another process sees: a file opened for writing, a rename, a link, a removal,
a folder made, an object put or removed. To die before the n-th is to die after the one before it. Each rename
and link has a second death, in which only half of the content had been written.

The run is one from demonstrations over round 0 and one round with a promotion to the last measurement, of
the fast task, without Ray and Prefect, in a folder or in a bucket (moto's). The same command again must end
like a run that nobody disturbed: the same episodes, verdicts, champion and weights, byte for byte where no
clock is in them, and nothing left beside. What a learner's run came to is remembered by its identity
(`remembered.py`). Prints a table, and exits 1 where anything differs.
"""

import argparse
import errno
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import fast
from machine import machine
from remembered import remember

from pacloop.datasets.objects import Bucket  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.lease import hold  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.workspace import Workspace  # pyright: ignore[reportMissingImports]

CLOCKS = {"seconds", "since", "created", "samples_per_sec", "steps_per_sec"}
"""Fields that a clock or a machine wrote."""
TORN = {"os.rename", "os.link"}
FREES = {"os.remove", "os.rmdir"}
"""What succeeds on a full disk."""


@dataclass
class Deaths:
    """What is done before the write of a number: to die, perhaps with half of it written, or to fail.

    Where `error` is an error's number, that write and all after it fail with it, as on a full disk.
    """

    under: str
    number: int = 0
    torn: bool = False
    error: int = 0
    events: list[str] = field(default_factory=list)
    lock: Any = field(default_factory=threading.RLock)
    inside: bool = False

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook: Python calls it before each of these events."""
        if self.inside or not (path := self._written(event, arguments)):
            return
        self.count(event, path)

    def count(self, event: str, path: str) -> None:
        """One more write; dies before it where it is the one."""
        with self.lock:
            self.inside = True
            self.events.append(f"{event} {path}")
            if self.error:
                self.inside = False
                if len(self.events) >= self.number and not (event in FREES and self.error == errno.ENOSPC):
                    raise OSError(self.error, os.strerror(self.error), path)
            elif len(self.events) == self.number:
                if self.torn:
                    halve(Path(path))
                os.kill(os.getpid(), signal.SIGKILL)
            self.inside = False

    def _written(self, event: str, arguments: tuple[Any, ...]) -> str:
        """The path of a write in the folder; empty for anything else."""
        if event == "open":
            path, mode, flags = arguments
            writes = (
                any(letter in str(mode) for letter in "wax+")
                if mode
                else bool(flags & (os.O_WRONLY | os.O_RDWR))
            )
        else:
            path, writes = (
                arguments[0] if arguments else "",
                event in (*TORN, *FREES, "os.mkdir"),
            )
        text = os.fsdecode(path) if isinstance(path, str | bytes | Path) else ""
        return text if writes and text.startswith(self.under) else ""


def halve(path: Path) -> None:
    """Leave the first half of a file, or of the largest file of a folder."""
    if path.is_dir():
        path = max((p for p in path.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size, default=path)
    if path.is_file():
        os.truncate(path, path.stat().st_size // 2)


def listen(deaths: Deaths) -> None:
    """Have every write of this process counted, those of objects too."""
    sys.addaudithook(deaths.hear)
    for name in ("create", "replace", "upload", "delete"):
        setattr(Bucket, name, counted(name, getattr(Bucket, name), deaths))


def counted(name: str, method: Callable[..., Any], deaths: Deaths) -> Callable[..., Any]:
    def call(self: Bucket, *arguments: Any) -> Any:
        deaths.count(f"object {name}", f"{self.url}/{arguments[-1 if name == 'upload' else 0]}")
        return method(self, *arguments)

    return call


def state(place: Any) -> dict[str, Any]:
    """What two runs that ended well must agree on, and what neither may leave: JSON without clocks."""
    space = Workspace.open(place)
    store = space.open_store()
    rows = [(row.seed, row.policy) for row in store.iter_rows()]
    records = {
        str(path.relative_to(space.folder)): timeless(json.loads(path.read_text()))
        for path in sorted(space.folder.rglob("*.json"))
        if path.parts[-2] != "dataset"
        and {"rounds", "policies"} & set(path.parts)
        and "-run" not in str(path.parent)
    }
    weights = {
        policy: hashlib.sha256((space.policy_folder(policy) / "weights.safetensors").read_bytes()).hexdigest()
        for policy in sorted(p.parent.name for p in space.folder.glob("policies/*/policy.json"))
    }
    return {
        "batches": sorted([batch.id, batch.digest] for batch in store.batches()),
        "records": records,
        "weights": weights,
        "reigns": timeless(json.loads((space.folder / "champion.json").read_text())),
        "twice": len(rows) - len(set(rows)),
        "faults": store.verify() + store.leftovers(),
        "left": sorted(p.name for p in space.folder.rglob(".*.tmp")),
    }


def timeless(data: Any) -> Any:
    """Without what a clock wrote."""
    if isinstance(data, dict):
        return {key: timeless(value) for key, value in data.items() if key not in CLOCKS}
    return [timeless(value) for value in data] if isinstance(data, list) else data


def warm() -> None:
    """Import here what every run would import again in its own child."""
    import obstore.store  # noqa: F401
    import pandas  # noqa: F401
    import scipy.stats  # noqa: F401
    import torch

    torch.optim.AdamW([torch.zeros(1)])


def forked(work: Callable[[], None]) -> int:
    """Run something in a child; its status, negative where a signal ended it."""
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@dataclass(frozen=True)
class Stand:
    """Where the runs are: a folder for each, and for buckets a server."""

    root: Path
    bucket: bool

    def fresh(self, name: str) -> str:
        """The place of a new run that has its demonstrations and nothing else."""
        shutil.rmtree(self.root / name, ignore_errors=True)
        os.environ["PACLOOP_CACHE"] = str(self.root / name / "cache")
        if not self.bucket:
            shutil.copytree(self.root / "before", self.root / name / "space")
            return str(self.root / name / "space")
        place = f"s3://robots/{name}"
        assert forked(lambda: fast.make(place) and None) == 0
        return place

    def end(self, place: str, result: Path) -> None:
        """Run the same command again, unless the run had ended, and write the state of the end."""
        if not any(Workspace.open(place).round_folder(1).glob("final-*.json")):
            fast.run(place, 1)
        with hold(Workspace.open(place)):  # as any next command does: it sweeps
            pass
        result.write_text(json.dumps(state(place), sort_keys=True))


def trial(stand: Stand, number: int, torn: bool, wanted: dict[str, Any]) -> tuple[bool, dict[str, list[Any]]]:
    """One death and the run after it: whether it died, and what differs, by name."""
    name = f"n{number}{'t' * torn}"
    place, result = stand.fresh(name), stand.root / "result.json"
    result.unlink(missing_ok=True)

    def die() -> None:
        listen(Deaths(str(stand.root / name), number, torn))
        fast.run(place, 1)

    died = forked(die) == -signal.SIGKILL
    ended = forked(lambda: stand.end(place, result)) == 0
    shutil.rmtree(stand.root / name, ignore_errors=True)
    if not ended:
        return died, {"failed": [name]}
    seen = json.loads(result.read_text())
    return died, {key: [wanted[key], seen[key]] for key in wanted if wanted[key] != seen[key]}


def undisturbed(stand: Stand) -> tuple[dict[str, Any], list[str]]:
    """The state at the end of a run that nobody disturbs, and its writes."""
    place, result, writes = stand.fresh("whole"), stand.root / "whole.json", stand.root / "writes.json"

    def run() -> None:
        listen(deaths := Deaths(str(stand.root / "whole")))
        fast.run(place, 1)
        events = list(deaths.events)
        deaths.inside = True
        writes.write_text(json.dumps(events))

    assert forked(run) == 0
    assert forked(lambda: stand.end(place, result)) == 0
    return json.loads(result.read_text()), json.loads(writes.read_text())


def drill(stand: Stand, stride: int) -> list[int]:
    """Die before every write of a run, or every so many; the row of the table."""
    remember(stand.root / "learned")
    if not stand.bucket:
        assert forked(lambda: fast.make(stand.root / "before") and None) == 0
    wanted, writes = undisturbed(stand)
    assert not wanted["faults"] and not wanted["left"] and not wanted["twice"], wanted
    assert any(row["policy"].startswith("r001") for row in wanted["reigns"]["history"]), "nobody was promoted"
    plan = [(n, False) for n in range(1, len(writes) + 1, stride)]
    plan += [(n, True) for n, _ in plan if writes[n - 1].split()[0] in TORN]
    died, wrong = 0, {"failed": 0, "batches": 0, "twice": 0, "faults": 0, "left": 0, "other": 0}
    for number, torn in plan:
        dead, differences = trial(stand, number, torn, wanted)
        died += dead
        for key in differences:
            wrong[key if key in wrong else "other"] += 1
        if differences:
            print(
                f"    {writes[number - 1]}{' (torn)' * torn}: {short(differences)}",
                file=sys.stderr,
                flush=True,
            )
    return [len(writes), len(plan), died, *wrong.values()]


def short(differences: dict[str, list[Any]]) -> str:
    """What differs, leaf by leaf, as far as it fits in a few lines."""
    words = []
    for key, (one, other) in ((key, pair) for key, pair in differences.items() if len(pair) == 2):
        before, after = dict(leaves(one, key)), dict(leaves(other, key))
        names = sorted(name for name in before | after if before.get(name) != after.get(name))
        words += [f"{name}: {before.get(name)!r} -> {after.get(name)!r}" for name in names]
    return "; ".join(words)[:900] or "the second run failed"


def leaves(data: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every plain value of JSON by its path."""
    if isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from leaves(value, f"{name}.{key}")
    else:
        yield name, data


@contextmanager
def server() -> Iterator[None]:
    """moto's S3 in a process of its own, with a bucket, and the environment set to use it."""
    import urllib.request

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_REGION": "us-east-1",
    }
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            for _ in range(200):
                try:
                    opener.open(
                        urllib.request.Request(f"http://127.0.0.1:{port}/robots", method="PUT")
                    ).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield
        finally:
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--where", nargs="+", choices=("folder", "bucket"), default=["folder", "bucket"])
    parser.add_argument("--stride", type=int, default=1, help="die before every so many writes")
    options = parser.parse_args()
    print(f"{machine()}\n")
    print("| run in a | writes | tries | died | failed | other episodes | twice | unsound | left | other |")
    print("|" + "---|" * 10, flush=True)
    warm()
    bad = 0
    for where in options.where:
        with tempfile.TemporaryDirectory() as folder:
            if where == "bucket":
                with server():
                    row = drill(Stand(Path(folder), True), options.stride)
            else:
                row = drill(Stand(Path(folder), False), options.stride)
        bad += sum(row[3:])
        print(f"| {where} | {' | '.join(map(str, row))} |", flush=True)
    print("| must be | | | | 0 | 0 | 0 | 0 | 0 | 0 |")
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
