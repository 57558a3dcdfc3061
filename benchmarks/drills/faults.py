"""A run whose disk, bucket or company fails it, and that is started again: what is there at the end.

    OMP_NUM_THREADS=1 python benchmarks/drills/faults.py [--what disk bucket company] [--tries 20]

* disk: from a random write on every one fails as on a full disk, one that was mounted read-only, or a broken
  one. The run must end with one sentence, and the same command, on a sound disk, like an undisturbed one.
* bucket: one request in twenty is answered with 500 or 503, after two seconds, or is cut off in its middle,
  also where it has been obeyed. The run must end like an undisturbed one, by itself.
* company: two loops at once on one workspace; a holder suspended until another machine took over, and then
  resumed; a workspace that is moved while it is stopped. No episode may be lost or be there twice.

Prints a table, and exits 1 where anything is wrong.
"""

import argparse
import errno
import json
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import fast
from every_write import Deaths, Stand, forked, listen, server, short, undisturbed
from machine import machine

from pacloop.datasets.errors import PacloopError  # pyright: ignore[reportMissingImports]
from pacloop.flows.cli.main import REFUSALS  # pyright: ignore[reportMissingImports]
from pacloop.loop.errors import InUse  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace import bucket_lease  # pyright: ignore[reportMissingImports]

DISKS = {"full": errno.ENOSPC, "read-only": errno.EROFS, "broken": errno.EIO}
SENTENCE, IN_USE = 3, 4
"""Statuses of a run that ended with one sentence, and with the one for whoever comes second."""


def refusable(place: str) -> None:
    """Run the command as its `main` does: what is one sentence there ends with its status here."""
    try:
        fast.run(place, 1)
    except InUse:
        os._exit(IN_USE)
    except PacloopError as error:
        print(f"    {error}", file=sys.stderr, flush=True)
        os._exit(SENTENCE)
    except OSError as error:
        if error.errno in REFUSALS:
            os._exit(SENTENCE)
        raise


@dataclass
class Wrong:
    """What a fault led to that it must not lead to."""

    tries: int = 0
    unnamed: int = 0
    differ: int = 0

    def judge(self, what: str, status: int, allowed: tuple[int, ...], differences: dict[str, Any]) -> None:
        """Count a try."""
        self.tries += 1
        self.unnamed += status not in allowed
        self.differ += bool(differences)
        if status not in allowed or differences:
            print(f"  WRONG {what}: status {status}; {short(differences)}", file=sys.stderr, flush=True)


def compared(stand: Stand, place: str, expected: dict[str, Any]) -> dict[str, Any]:
    """Run the same command to its end; what differs from an undisturbed run, by name."""
    result = stand.root / "result.json"
    result.unlink(missing_ok=True)
    if forked(lambda: stand.end(place, result)):
        return {"failed": [place]}
    seen = json.loads(result.read_text())
    return {key: [expected[key], seen[key]] for key in expected if expected[key] != seen[key]}


def disk(root: Path, tries: int) -> dict[str, Wrong]:
    """Disks that fail from some write on."""
    stand, rng, rows = Stand(root, False), random.Random(0), {}
    assert forked(lambda: fast.make(root / "before") and None) == 0
    expected, writes = undisturbed(stand)
    for name, error in DISKS.items():
        rows[name] = Wrong()
        for _ in range(tries):
            number = rng.randrange(1, len(writes) + 1)
            place = stand.fresh("run")

            def fail(number: int = number, error: int = error, place: str = place) -> None:
                listen(Deaths(str(root / "run"), number, error=error))
                refusable(place)

            status = forked(fail)
            rows[name].judge(
                f"{name} from {writes[number - 1]}", status, (SENTENCE,), compared(stand, place, expected)
            )
    return rows


class Flaky(Thread):
    """A relay in front of a bucket's server that fails one request in so many."""

    def __init__(self, port: int, one_in: int) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port, self._behind, self._one_in, self._random = (
            self.listener.getsockname()[1],
            port,
            one_in,
            random.Random(0),
        )
        self.failed = 0

    def run(self) -> None:
        while True:
            client, _ = self.listener.accept()
            Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Relay one request: the connection is closed after it."""
        with client, client.makefile("rb") as reader:
            head = b""
            while (line := reader.readline()) not in (b"", b"\r\n"):
                if not line.lower().startswith(b"connection:"):
                    head += line
            if not head:
                return
            lengths = [r for r in head.lower().split(b"\r\n") if r.startswith(b"content-length:")]
            body = reader.read(int(lengths[0].split(b":")[1])) if lengths else b""
            fault = "" if self._random.randrange(self._one_in) else self._random.choice(FAULTS)
            self.failed += bool(fault)
            if fault in ANSWERS:
                client.sendall(ANSWERS[fault])
                return
            answer = self._ask(head + b"Connection: close\r\n\r\n" + body)
            if fault == "slow":
                time.sleep(2)
            client.sendall(answer[: len(answer) // 2] if fault == "cut" else answer)

    def _ask(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self._behind)) as behind:
            behind.sendall(request)
            parts = []
            while part := behind.recv(2**16):
                parts.append(part)
        return b"".join(parts)


ANSWERS = {
    "500": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "503": b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
}
FAULTS = (*ANSWERS, "slow", "cut")


def bucket(root: Path, tries: int) -> dict[str, Wrong]:
    """Requests that fail, are slow, or are cut off."""
    with server():
        port = int(os.environ["AWS_ENDPOINT_URL"].rpartition(":")[2])
        stand, row = Stand(root, True), Wrong()
        expected, _ = undisturbed(stand)
        flaky = Flaky(port, 20)
        flaky.start()
        for number in range(tries):
            place = stand.fresh(f"flaky{number}")
            os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{flaky.port}"
            status = forked(lambda place=place: refusable(place))
            os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
            row.judge(f"{flaky.failed} requests failed", status, (0,), compared(stand, place, expected))
    return {f"requests that fail ({flaky.failed})": row}


def company(root: Path, tries: int) -> dict[str, Wrong]:
    """Others at the same workspace."""
    rows = {"two at once": Wrong(), "moved while stopped": Wrong(), "suspended and resumed": Wrong()}
    stand, rng = Stand(root / "folder", False), random.Random(0)
    (root / "folder").mkdir()
    assert forked(lambda: fast.make(root / "folder" / "before") and None) == 0
    expected, writes = undisturbed(stand)
    for _ in range(tries):
        place = stand.fresh("run")
        first = begun(lambda place=place: refusable(place))
        time.sleep(rng.uniform(0, 3))
        second = forked(lambda place=place: refusable(place))
        status = ended(first)
        pair = sorted((status, second))
        rows["two at once"].judge(
            f"two at once {pair}",
            0 if pair in ([0, IN_USE], [0, 0]) else 1,
            (0,),
            compared(stand, place, expected),
        )
        place, number = stand.fresh("run"), rng.randrange(1, len(writes))

        def die(number: int = number, place: str = place) -> None:
            listen(Deaths(str(root / "folder" / "run"), number))
            fast.run(place, 1)

        forked(die)
        moved = shutil.move(place, str(root / "folder" / "moved"))
        rows["moved while stopped"].judge("moved", 0, (0,), compared(stand, moved, expected))
        shutil.rmtree(moved)
    with server():
        (root / "bucket").mkdir()
        stand = Stand(root / "bucket", True)
        expected, _ = undisturbed(stand)
        for number in range(max(tries // 4, 1)):
            rows["suspended and resumed"].judge(*suspended(stand, f"s{number}", rng, expected))
    return rows


def suspended(
    stand: Stand, name: str, rng: random.Random, expected: dict[str, Any]
) -> tuple[str, int, tuple[int, ...], dict[str, Any]]:
    """A holder in a bucket that is suspended until another machine has ended its run, and then resumed."""
    bucket_lease.EXPIRY_SEC, bucket_lease.BEAT_SEC = 4.0, 1.0
    place = stand.fresh(name)
    child = begun(lambda: refusable(place))
    time.sleep(rng.uniform(1, 6))
    os.kill(child, signal.SIGSTOP)
    other = stand.root / "other"
    shutil.rmtree(other, ignore_errors=True)
    os.environ["PACLOOP_CACHE"] = str(other)
    differences = compared(stand, place, expected)
    os.kill(child, signal.SIGCONT)
    status = ended(child)
    shutil.rmtree(other)
    return (
        f"suspended and resumed {name}",
        status,
        (0, SENTENCE),
        differences | compared(stand, place, expected),
    )


def begun(work: Callable[[], None]) -> int:
    """The same as `forked`, but for the wait."""
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except BaseException as error:
        print(f"    {error!r}", file=sys.stderr)
        os._exit(1)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


DRILLS = {"disk": disk, "bucket": bucket, "company": company}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--what", nargs="+", choices=DRILLS, default=list(DRILLS))
    parser.add_argument("--tries", type=int, default=20)
    options = parser.parse_args()
    print(
        f"{machine()}\n\n| fault | tries | ended without a sentence | end differs |\n|---|---|---|---|",
        flush=True,
    )
    bad = 0
    for what in options.what:
        with tempfile.TemporaryDirectory() as folder:
            for name, row in DRILLS[what](Path(folder), options.tries).items():
                bad += row.unnamed + row.differ
                print(f"| {what}: {name} | {row.tries} | {row.unnamed} | {row.differ} |", flush=True)
    print("| must be | | 0 | 0 |")
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
