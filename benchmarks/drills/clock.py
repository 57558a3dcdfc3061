"""A run whose wall clock jumps, an hour forward or a day back, and leases whose holders' clocks do.

    OMP_NUM_THREADS=1 python benchmarks/drills/clock.py [--what runs buckets leases approvals] [--tries 20]

* runs, buckets: the clock jumps before random writes of a run, in a folder or in a bucket. Every other run is
  killed at a later write and started again under another clock. It must end like one that nobody disturbed:
  the same episodes in the same order, verdicts, champion, weights and spare files, and seconds that can be.
* leases: the clocks of a holder and of those who come later jump several times a second. Nobody may get the
  lease while its holder lives, and somebody must as soon as it is dead.
* approvals: the clock jumps while a promotion waits. It must be given up when its hours are over.

Prints a table, and exits 1 where anything is wrong.
"""

import argparse
import itertools
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import fast
from every_write import CLOCKS, Stand, forked, listen, server, short, state, undisturbed, warm
from faults import IN_USE, begun, ended
from machine import machine
from wall_clock import DAY, HOUR, PAUSE_SEC, Clock, Jumps, unsteady

from pacloop.loop.errors import InUse  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace import bucket_lease  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.lease import hold  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.retention import spare_files  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.verdict import Verdict  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.workspace import Workspace  # pyright: ignore[reportMissingImports]

JUMPS = {
    "an hour forward": (HOUR,),
    "a day back": (-DAY,),
    "forward and back": (HOUR, -DAY),
    "back and forward": (-DAY, HOUR),
}
LONGEST_SEC = HOUR / 2
"""No stage takes so long: what says that it did has measured a jump."""
EXPIRY_SEC, BEAT_SEC = 6.0, 1.0
WAIT_SEC = 3 * EXPIRY_SEC
HOURS = 0.001


@dataclass
class Row:
    tries: int = 0
    wrong: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WRONG, 0))

    def judge(self, what: str, **wrong: Any) -> None:
        """Count a try and what was wrong with it."""
        self.tries += 1
        for name, fault in wrong.items():
            self.wrong[name] += bool(fault)
            if fault:
                print(f"  WRONG {what}: {name}: {fault}", file=sys.stderr, flush=True)


WRONG = ("differs", "failed", "stolen", "kept")


def jumping(stand: Stand, tries: int) -> dict[str, Row]:
    """Runs whose clock jumps between two writes, against one whose clock goes on."""
    rng, rows = random.Random(0), {name: Row() for name in JUMPS}
    where = "bucket" if stand.bucket else "folder"
    if not stand.bucket:
        assert forked(lambda: fast.make(stand.root / "before") and None) == 0
    _, writes = undisturbed(stand)
    whole = "s3://robots/whole" if stand.bucket else str(stand.root / "whole" / "space")
    expected = end_of(stand, whole, 0.0)
    for (name, jumps), number in itertools.product(JUMPS.items(), range(tries)):
        place = stand.fresh(run := f"{name.replace(' ', '-')}-{number}")
        *places, last = sorted(rng.sample(range(1, len(writes) + 1), len(jumps) + 1))
        at, death = dict(zip(places, jumps)), last * (number % 2)

        def disturbed(run: str = run, place: str = place, at: dict = at, death: int = death) -> None:
            clock = Clock()
            listen(Jumps(str(stand.root / run), death, clock=clock, at=at))
            clock.install()
            fast.run(place, 1)

        status = forked(disturbed)
        seen = end_of(stand, place, rng.choice((HOUR, -DAY)))
        differs = {key: [expected[key], seen.get(key)] for key in expected if expected[key] != seen.get(key)}
        failed = not seen or status not in (0, -signal.SIGKILL)
        rows[name].judge(
            f"{where}, {at}, died at {death}", differs=short(differs) * bool(differs), failed=failed
        )
    return {f"run in a {where}: {name}": row for name, row in rows.items()}


def end_of(stand: Stand, place: str, ahead_sec: float) -> dict[str, Any]:
    """Run the same command to its end under a clock that is so much ahead; the state then, empty for none."""
    result = stand.root / "result.json"
    result.unlink(missing_ok=True)

    def end() -> None:
        Clock(ahead_sec).install()
        CLOCKS.add("code")  # somebody may commit meanwhile
        stand.end(place, result)
        space = Workspace.open(place)
        more = {
            "order": [batch.id for batch in space.open_store().batches()],
            "spare": [file.name for file in spare_files(space, 1)],
            "absurd": [text for path in space.folder.rglob("rounds/*/*.json") if (text := absurd(path))],
        }
        result.write_text(json.dumps(state(place) | more, sort_keys=True))

    return json.loads(result.read_text()) if forked(end) == 0 else {}


def absurd(path: Path) -> str:
    """What a record says of its seconds that cannot be; "" where it can."""
    seconds = json.loads(path.read_text()).get("seconds", 0.0)
    return "" if 0 <= seconds < LONGEST_SEC else f"{path.name} took {seconds} s"


def runs(root: Path, tries: int) -> dict[str, Row]:
    """In a folder."""
    return jumping(Stand(root, False), tries)


def buckets(root: Path, tries: int) -> dict[str, Row]:
    """In a bucket, whose lease is renewed before each write."""
    with server():
        return jumping(Stand(root, True), tries)


def leases(root: Path, tries: int) -> dict[str, Row]:
    """Leases in a folder and in a bucket."""
    bucket_lease.EXPIRY_SEC, bucket_lease.BEAT_SEC = EXPIRY_SEC, BEAT_SEC
    folder, row = Stand(root, False), Row()
    assert forked(lambda: fast.make(root / "before") and None) == 0
    for number in range(tries):
        row.judge(f"folder {number}", **contest(folder.fresh("run"), root, number))
    rows = {"lease in a folder": row}
    with server():
        row = rows["lease in a bucket"] = Row()
        place = Stand(root, True).fresh("leased")
        for number in range(tries):
            row.judge(f"bucket {number}", **contest(place, root, number))
    return rows


def contest(place: str, root: Path, seed: int) -> dict[str, str]:
    """What went wrong while others wanted what a living holder, and then a dead one, has."""
    mark = root / "holds"
    mark.unlink(missing_ok=True)
    os.environ["PACLOOP_CACHE"] = str(root / "first")
    holder = begun(lambda: unsteady(seed, lambda: keep(place, mark)))
    until = time.monotonic() + WAIT_SEC
    while not mark.exists() and time.monotonic() < until:
        time.sleep(0.05)
    os.environ["PACLOOP_CACHE"] = str(root / "second")
    stolen = [s for k in range(3) if (s := ended(begun(lambda k=k: unsteady(seed + k, lambda: take(place)))))]
    alive = os.waitpid(holder, os.WNOHANG) == (0, 0)
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    begun_sec = time.monotonic()
    taker = ended(begun(lambda: unsteady(seed + 7, lambda: take(place))))
    waited_sec = time.monotonic() - begun_sec
    return {
        "stolen": "" if stolen == [IN_USE] * 3 and alive and mark.exists() else f"{stolen}, alive {alive}",
        "kept": "" if taker == 0 and waited_sec < WAIT_SEC else f"status {taker} after {waited_sec:.0f} s",
    }


def keep(place: str, mark: Path) -> None:
    """Hold the workspace for as long as this process lives."""
    with hold(Workspace.open(place)):
        mark.touch()
        signal.pause()


def take(place: str) -> None:
    """Hold it for a moment, or end as whoever comes second."""
    try:
        with hold(Workspace.open(place)):
            pass
    except InUse:
        os._exit(IN_USE)


def approvals(root: Path, tries: int) -> dict[str, Row]:
    """Promotions that nobody answers."""
    stand, rows = Stand(root, False), {}
    settings = {"approve": True, "approve_hours": HOURS}
    assert forked(lambda: fast.make(root / "before", gate=settings) and None) == 0
    for name, jumps in JUMPS.items():
        row = rows[f"approval: {name}"] = Row()
        for _ in range(max(tries // 5, 1)):
            place, report = stand.fresh("run"), root / "waited"
            status = forked(lambda place=place, jumps=jumps, report=report: asked(place, jumps, report))
            waited_sec = float(report.read_text()) if status == 0 else 0.0
            verdict = Workspace.open(place).record(Verdict, 1)
            answer = verdict.approval.decision if verdict and verdict.approval else "nothing"
            right = answer == "none" and HOURS * HOUR <= waited_sec < HOURS * HOUR + 30
            row.judge(name, failed="" if right else f"answer {answer} after {waited_sec:.1f} s")
    return rows


def asked(place: str, jumps: Sequence[float], report: Path) -> None:
    """A run whose clock jumps when its promotion begins to wait; how long it waits, in seconds."""
    clock, at = Clock(), list[float]()
    clock.install()

    def hear(what: str, *_: Any) -> None:
        if what == "approval" or (what.startswith("final") and len(at) == 1):
            at.append(time.monotonic())
        if what == "approval":
            Thread(target=lambda: [(time.sleep(PAUSE_SEC), clock.jump(jump)) for jump in jumps]).start()

    fast.run(place, 1, hear)
    report.write_text(str(at[1] - at[0]))


DRILLS = {"runs": runs, "buckets": buckets, "leases": leases, "approvals": approvals}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--what", nargs="+", choices=DRILLS, default=list(DRILLS))
    parser.add_argument("--jumps", nargs="+", choices=JUMPS, default=list(JUMPS))
    parser.add_argument("--tries", type=int, default=20)
    options = parser.parse_args()
    for name in set(JUMPS) - set(options.jumps):
        del JUMPS[name]
    warm()
    print(f"{machine()}\n\n| clock | tries | {' | '.join(WRONG)} |\n|---|---|---|---|---|---|", flush=True)
    bad = 0
    for what in options.what:
        with tempfile.TemporaryDirectory() as folder:
            for name, row in DRILLS[what](Path(folder), options.tries).items():
                bad += sum(row.wrong.values())
                print(f"| {name} | {row.tries} | {' | '.join(map(str, row.wrong.values()))} |", flush=True)
    print("| must be | | 0 | 0 | 0 | 0 |")
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
