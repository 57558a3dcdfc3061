"""Bad input in bulk: damaged files of a workspace, odd commands, plug-ins with mistakes. How each one ended.

    OMP_NUM_THREADS=1 python benchmarks/drills/bad_input.py [--what files words plugins] [--tries 3000]

* files: one file of a finished workspace of the fast task is damaged (settings, records of stages, champion,
  policies, manifests, data, exclusions, figures, evaluations), and commands that read run in this process, or
  `improve` goes on, without Ray and Prefect.
* words: commands with words that are missing, doubled, swapped or odd, in a workspace that is sound.
* plugins: packages that offer a task and make a mistake in it (`plugins.py`).

Each must end in one sentence (or typer's usage) with a status other than 0, or be obeyed. A traceback, a
hang, a crash, several lines, or a file that a reading command wrote or a refused one left half-written, is
printed, and the script exits 1. Try k of a seed is always the same.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import damage
import fast
import plugins
from every_write import forked, warm
from in_process import beside, ended, fresh, half_written, listed, make
from machine import machine

READING = [
    line.split()
    for line in (
        "status",
        "status --json",
        "dataset ls",
        "dataset ls --json --min-score 0.5",
        "dataset ls --since 2026-01-01 --policy r000-pac",
        "dataset show demonstrations-0",
        "dataset show demonstrations-0/0 --json",
        "dataset show --quarantine",
        "dataset verify",
        "policies ls",
        "policies show r001-pac",
        "policies show r000-pac --json",
        "gc --dry-run",
        "doctor",
        "report --out ../report.html",
        "check",
    )
]
WRITING = [
    line.split()
    for line in (
        "promote r000-pac --reason better --by ann",
        "rollback --reason worse",
        "approve --reason good",
        "reject --reason bad --by ann",
        "dataset exclude demonstrations-0/1 --reason dropped",
        "dataset include demonstrations-0/0 --reason sound",
        "dataset export ../export --format parquet",
        "inject ../nothing.npz --format npz --map a=b --score 1 --note why",
        "evaluate --give-up",
        "evaluate r000-pac --against r001-pac --paired --give-up",
        "init --task test/reach --seed 3 --workspace ../new",
        "gc --keep 1",
        "gate simulate --champion 0.5 --candidate 0.7 --cap 40 --collected 40",
    )
]
KINDS = {
    "settings": ["pacloop.toml"],
    "records of stages": ["rounds/*/*.json"],
    "champion, identity": ["champion.json", "identity.json"],
    "policies": ["policies/*/*"],
    "manifests": ["dataset/batches/*/batch.json"],
    "data": ["dataset/batches/*/*.arrow"],
    "records of the dataset": ["dataset/[!b]*/*"],
    "figures of learners": ["rounds/*/*-run/*.json*"],
    "evaluations": ["evaluations/*.json"],
}
GOING_ON, COMMANDS, CHUNK = 0.04, 3, 20
Row = dict[str, Any]
"""What was tried, how it `end`ed, in which words, and what was `left`."""
ENDS = ("sentence", "accepted")
FAULTS = ("traceback", "no sentence", "half-written")


def file_try(root: Path, rng: random.Random) -> Iterator[Row]:
    """Some commands on a workspace with one damaged file."""
    space, kind = fresh(root), rng.choice(list(KINDS))
    path = rng.choice(
        [path for pattern in KINDS[kind] for path in sorted(space.glob(pattern)) if path.is_file()]
    )
    how = damage.damage(path, rng)
    row = {"kind": kind, "how": f"{path.relative_to(space)}: {how}"}
    if rng.random() < GOING_ON:
        if "002" not in str(path):
            shutil.rmtree(space / "rounds" / "002")
        end, text = ended(["go-on"])
        left = half_written(space, kind not in ("settings", "manifests", "data", "records of the dataset"))
        yield row | {"command": "improve", "end": end, "text": text, "left": "; ".join(left)}
        return
    before, identity = listed(space), str(space / "identity.json")
    for line in rng.sample(READING, COMMANDS):
        end, text = ended(line)
        after = listed(space)
        if identity not in before:  # it is made when it is first asked for
            after.pop(identity, None)
        left = sorted(set(after.items()) ^ set(before.items()))
        yield row | {"command": " ".join(line), "end": end, "text": text, "left": str(left) if left else ""}


def word_try(root: Path, rng: random.Random) -> Iterator[Row]:
    """An odd command."""
    space, line = fresh(root), damage.words(rng.choice([*READING, *WRITING]), rng)
    end, text = ended(line)
    row = {"kind": "command line", "how": "", "command": repr(line), "end": end, "text": text}
    yield row | {"left": "; ".join(half_written(space, True))}


def plugin_try(root: Path, number: int) -> Iterator[Row]:
    """A plug-in with a mistake: what reads, what makes a workspace, and what plays."""
    name, (point, text) = list(plugins.cases().items())[number]
    for line in ("doctor", "status", "check", f"init --task {plugins.TASK} -w ../new", "go-on"):
        space = fresh(root)
        shutil.rmtree(space / "rounds" / "002")
        plugins.install(root / "package", point, text)
        end, words = ended(line.split())
        row = {"kind": "plug-ins", "how": name, "command": line, "end": end, "text": words}
        yield row | {"left": "; ".join(half_written(space, False))}


def work(what: str, root: Path, seed: int, number: int) -> Iterator[Row]:
    """The rows of a try."""
    if what == "plugins":
        return plugin_try(root, number)
    return TRIES[what](root, random.Random(f"{seed}-{what}-{number}"))


TRIES = {"files": file_try, "words": word_try}


def tried(what: str, root: Path, seed: int, count: int) -> Iterator[Row]:
    """The rows of all tries, made in children; a child that dies costs one try."""
    lines, first = root / "lines", 0
    while first < count:
        lines.write_text("")
        last = min(first + CHUNK, count)

        def child(first: int = first, last: int = last) -> None:
            with beside(root), lines.open("a") as out:
                for number in range(first, last):
                    for row in work(what, root, seed, number):
                        print(json.dumps(row | {"try": number}), file=out, flush=True)

        status = forked(child)
        rows = [json.loads(line) for line in lines.read_text().splitlines()]
        yield from rows
        if status:
            first = rows[-1]["try"] + 1 if rows else first + 1
            yield {"kind": what, "try": first, "end": "traceback", "text": f"the process died ({status})"}
        else:
            first = last


def prepared(what: str, root: Path) -> None:
    """The workspace that is damaged; that of a plug-in's task is made with a sound one."""
    if what == "plugins":
        sys.path.insert(0, str(root / "package"))
        plugins.install(root / "package", "plug:task", plugins.SOUND)
        fast.TASK = fast.SETTINGS["task"] = plugins.TASK
    assert forked(lambda: make(root / "whole")) == 0


def show(row: Row, shown: Counter[str]) -> None:
    """Print a fault, unless one like it was shown."""
    if row.get("left"):
        row["end"] = "half-written"
    if row["end"] not in FAULTS:
        return
    where = [line for line in row["text"].splitlines() if "/pacloop/" in line][-1:]
    key = f"{row['end']} {where} {row['text'].strip()[-80:] if not where else ''}"
    shown[key] += 1
    if shown[key] == 1:
        print(json.dumps(row, indent=1).replace("\\n", "\n"), file=sys.stderr, flush=True)


def report(rows: list[Row]) -> None:
    """Print the table."""
    names = ("tries", *ENDS, *FAULTS)
    print(f"| kind | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for kind in [*dict.fromkeys(row["kind"] for row in rows), "all"]:
        own = Counter(row["end"] for row in rows if kind in (row["kind"], "all"))
        print(f"| {kind} | {own.total()} | {' | '.join(str(own[end]) for end in (*ENDS, *FAULTS))} |")
    print(f"| must be | | | |{' 0 |' * len(FAULTS)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--what", nargs="+", choices=[*TRIES, "plugins"], default=[*TRIES, "plugins"])
    parser.add_argument("--tries", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warm()
    rows, shown = list[Row](), Counter[str]()
    for what in options.what:
        with tempfile.TemporaryDirectory() as folder:
            prepared(what, root := Path(folder).resolve())
            count = min(options.tries, len(plugins.cases())) if what == "plugins" else options.tries
            for row in tried(what, root, options.seed, count):
                show(row, shown)
                rows.append(row)
    print(f"{machine()}\n", flush=True)
    report(rows)
    raise SystemExit(1 if shown else 0)


if __name__ == "__main__":
    main()
