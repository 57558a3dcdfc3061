"""Two hosts with names of their own on one bucket and one Prefect server: who waits, is refused, goes on.

    OMP_NUM_THREADS=1 python benchmarks/drills/hosts.py [--what dataset workspace cut prefect] [--tries 3]

The hosts are namespaces of this machine (`namespaces.py`), which takes root and iproute2; elsewhere this says
so and ends. Both have their workspace at the same path.

* dataset: two workspaces with one `[dataset] url`. With seeds of their own each ends by itself and counts its
  own episodes only. Of two with one seed, which play the same episodes, one is refused in a sentence.
* workspace: one workspace in the bucket. The second host is refused in a sentence that names the first. The
  first is switched off at a random moment, and the second goes on, to the end of a run that nobody disturbed.
* cut: the same, but the first is cut off, and joins again when the second has ended. It stops in a sentence.
* prefect: a workspace in a folder of each, `pacloop improve` with Ray and the server. The runs of a host that
  lives, or was switched off, are left alone by the other; once it is on again it closes its own.

Prints a table, and exits 1 where anything is wrong.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from every_write import short
from faults import IN_USE, SENTENCE
from machine import machine
from namespaces import HUB, Host, hosts, missing
from on_host import HOLDS
from two_hosts import LIMIT_SEC, Stage, bucket, until

SPACE, SHARED = "/mnt/space", "s3://robots/shared"
MOST_SEC = 8.0
"""Within so long a run is disturbed."""
ENDED = (0, 1)
"""Statuses of an `improve` that ended; 1 where the target is not reached."""


Fault = tuple[str, str]
"""What was tried, and what was wrong; "" for nothing."""


def dataset(stage: Stage, tries: int) -> Iterator[Fault]:
    """Two workspaces that share a dataset."""
    for number in range(tries):
        for same in (False, True):
            url = f"{SHARED}-{number}-{same:d}"
            place = f"{SPACE}-{number}-{same:d}"
            for seed, name in enumerate("ab"):
                assert stage.ended(name, "make", place, url, str(number if same else 2 * number + seed)) == 0
            runs = {name: stage.run(name, "run", place) for name in "ab"}
            statuses = {name: run.wait(LIMIT_SEC) for name, run in runs.items()}
            if same:
                wrong = judged_twins(stage, statuses)
                yield "one dataset, the same seed", wrong
                continue
            wrong = "" if set(statuses.values()) == {0} else f"{statuses} {stage.said('a')} {stage.said('b')}"
            for name in "ab":
                seen = stage.state(place, name)
                wrong += "".join(f"{name}: {key} " for key in ("faults", "twice", "left") if seen.get(key))
                wrong += (
                    "" if seen.get("mixed") == [] else f"{name} counts others' episodes: {seen.get('mixed')}"
                )
            yield "one dataset, seeds of their own", wrong


def judged_twins(stage: Stage, statuses: dict[str, int]) -> str:
    """What is wrong where two workspaces would play the same episodes."""
    refused = [name for name, status in statuses.items() if status == SENTENCE]
    if sorted(statuses.values()) == [0, SENTENCE] and "would count twice" in stage.said(refused[0]):
        return ""
    return f"{statuses} {stage.said('a')} {stage.said('b')}"


def workspace(stage: Stage, tries: int) -> Iterator[Fault]:
    """One workspace, whose first host is switched off."""
    yield from followed(stage, tries, "switched off", lambda host: host.kill(), lambda host: host.start())


def cut(stage: Stage, tries: int) -> Iterator[Fault]:
    """The same, but the first is cut off for as long as the second needs."""
    yield from followed(stage, tries, "cut off", lambda host: host.cut(True), lambda host: host.cut(False))


def followed(
    stage: Stage, tries: int, how: str, off: Callable[[Host], None], on: Callable[[Host], None]
) -> Iterator[Fault]:
    rng, whole = random.Random(0), f"s3://robots/whole-{how[:3]}"
    assert stage.ended("hub", "make", whole, "", "0") == stage.ended("hub", "run", whole) == 0
    expected = stage.state(whole)
    for number in range(tries):
        place, host = f"s3://robots/{how[:3]}{number}", stage.hosts["a"]
        assert stage.ended("hub", "make", place, "", "0") == 0
        first = stage.run("a", "run", place)
        while stage.said("a") != HOLDS and first.poll() is None:
            time.sleep(0.1)
        second = stage.ended("b", "run", place)
        named = "on host-a (" in stage.said("b")
        yield "the second host", "" if (second, named) == (IN_USE, True) else f"{second}: {stage.said('b')}"
        time.sleep(rng.uniform(0, MOST_SEC))
        going = first.poll() is None
        off(host)
        status = stage.ended("b", "run", place)
        seen = stage.state(place)
        on(host)
        ended = first.wait(LIMIT_SEC)
        again = stage.state(place)
        yield (
            f"a host that was {how}",
            "" if ended in (0, SENTENCE, -9, 137) else f"{ended}: {stage.said('a')}",
        )
        differs = {key: [expected[key], seen.get(key)] for key in expected if expected[key] != seen.get(key)}
        differs |= {} if again == seen else {"afterwards": [seen, again]}
        wrong = f"status {status}: {stage.said('b')}; {short(differs)}" if status or differs else ""
        yield f"the host that follows{'' if going else ' (too late)'}", wrong


def prefect(stage: Stage, tries: int) -> Iterator[Fault]:
    """Folders at one path, and the runs that the server shows of both."""
    pacloop = [str(Path(sys.executable).with_name("pacloop")), "improve", "-w", SPACE, "--rounds", "1"]
    server = stage.start("hub", [sys.executable, "-m", "prefect", "server", "start", "--host", HUB])
    try:
        for name in "ab":
            assert stage.ended(name, "make", SPACE, "", "0") == 0
        first = stage.start("a", pacloop)
        until(lambda: running(stage, "host-a"), "the first host has no run", server, first)
        second = stage.start("b", pacloop)
        until(lambda: running(stage, "host-b"), "the second host has no run", server, second)
        yield "a living host's runs", f"{crashed(stage)}" if crashed(stage) else ""
        stage.hosts["a"].kill()
        first.wait()
        status = second.wait(LIMIT_SEC)
        yield "the other host", "" if status in ENDED else f"{status}: {stage.said('b')}"
        wrong = f"{crashed(stage)}" if crashed(stage) or running(stage, "host-b") else ""
        yield "a host that is off", wrong if running(stage, "host-a") else f"its runs were closed {wrong}"
        stage.hosts["a"].start()
        status = stage.start("a", pacloop).wait(LIMIT_SEC)
        yield "a host that is on again", "" if status in ENDED else f"{status}: {stage.said('a')}"
        closed, left = crashed(stage), running(stage, "host-a") + running(stage, "host-b")
        right = closed and not left and all("on:host-a" in run["tags"] for run in closed)
        yield "its dead runs", "" if right else f"closed {closed}, left {left}"
    finally:
        server.terminate()
        server.wait(60)


def running(stage: Stage, host: str) -> list[dict[str, Any]]:
    """The runs of a host that the server shows as running."""
    return [run for run in shown(stage) if run["state"] == "RUNNING" and f"on:{host}" in run["tags"]]


def crashed(stage: Stage) -> list[dict[str, Any]]:
    return [run for run in shown(stage) if run["state"] == "CRASHED"]


def shown(stage: Stage) -> list[dict[str, Any]]:
    """The runs that the server knows; none while it does not answer."""
    try:
        runs = stage.ask("/flow_runs/filter")
    except subprocess.CalledProcessError:
        return []
    return [{"name": run["name"], "state": run["state"]["type"], "tags": run["tags"]} for run in runs]


WHAT = {"dataset": dataset, "workspace": workspace, "cut": cut, "prefect": prefect}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--what", nargs="+", choices=WHAT, default=list(WHAT))
    parser.add_argument("--tries", type=int, default=3)
    options = parser.parse_args()
    if lacks := missing():
        print(f"not drilled: two hosts on this machine take {lacks}")
        return
    tries, bad = Counter[str](), Counter[str]()
    with (
        tempfile.TemporaryDirectory(prefix="pacloop-hosts-") as folder,
        hosts(Path(folder)) as (hub, made),
        bucket(stage := Stage(Path(folder), hub, made)),
    ):
        for what in options.what:
            for case, wrong in WHAT[what](stage, options.tries):
                tries[f"{what} | {case}"] += 1
                bad[f"{what} | {case}"] += bool(wrong)
                if wrong:
                    print(f"  WRONG {what}, {case}: {wrong}", file=sys.stderr, flush=True)
    print(f"{machine()}\n\n| what | case | tries | wrong |\n|---|---|---|---|")
    for case, count in tries.items():
        print(f"| {case} | {count} | {bad[case]} |")
    print("| must be | | | 0 |")
    raise SystemExit(1 if bad.total() else 0)


if __name__ == "__main__":
    main()
