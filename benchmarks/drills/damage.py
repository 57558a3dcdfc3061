"""Ways to damage the files of a workspace and the words of a command, each a function of a random generator.

The ways of `benchmarks/corrupt.py`, and besides: JSON whose keys are gone, renamed, doubled or swapped, with
odd values or of another version; settings with odd lines.
"""

import json
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from corrupt import ANYWHERE, inside_arrow

ODD: list[Any] = [
    *(0, 1, -1, 2**31, 2**63, 2**200, 0.5, -0.5, 1e-320, 1e308, float("nan"), float("inf"), -float("inf")),
    *(None, True, False, "", "x", "nan", "../../etc/passwd", "a\nb", "[x]", "[/]", "$a_$", "\0", "\ud800"),
    *("é" * 300, "9999-12-31T23:59:59.999999+00:00", "2026-02-30", [], {}, [[]], {"": 0}, {"version": 99}),
]
LINES = (
    "",
    "[gate]",
    "[[gate]]",
    "x = ",
    "= 1",
    '"a\\nb" = 1',
    "a.b.c = [{x = 1}]",
    "\0",
    "é",
    "version = 99",
)
LITERALS = ("''", "-1", "0", "nan", "inf", "1e400", "9" * 5000, "[]", "{}", "true", "1979-05-27", '"é"')
WORDS = (
    *("", "-", "--", "--json", "-w", "--nope", "-1", "0", "1e9", "nan", "inf", "9" * 30, "é" * 300, "a\nb"),
    *(
        "../..",
        "/",
        "/dev/null",
        "/proc/self/mem",
        ".",
        "~",
        "s3://",
        "s3://a:b@c",
        "[x]",
        "$a_$",
        "%s",
        "{}",
    ),
    *(
        "r000-pac",
        "r000-pac/0",
        "demonstrations-0/0",
        "demonstrations-0/-1",
        "\udcff",
        "2026-02-30",
        "x" * 5000,
    ),
)


def damage(path: Path, rng: random.Random) -> str:
    """Damage a file in a random way; what was done."""
    inside = INSIDE.get(path.suffix)
    way = inside if inside and rng.random() < 0.7 else rng.choice([*ANYWHERE, other])
    return f"{way.__name__} {way(path, rng)} in {path.name}"


def other(path: Path, rng: random.Random) -> str:
    """Something else of that name, or the file under another one."""
    way, kept = rng.choice(("folder", "loop", "renamed")), path.with_name(f"{path.stem}0{path.suffix}")
    path.rename(kept)
    if way == "folder":
        path.mkdir()
    elif way == "loop":
        path.symlink_to(path.name)
    if way != "renamed":
        kept.unlink()
    return way


def record(path: Path, rng: random.Random) -> str:
    """One or two changes of JSON that leave it JSON, as Python reads it."""
    data, changes = json.loads(path.read_text()), []
    text = ""
    for _ in range(rng.choice((1, 1, 2))):
        holder, key = rng.choice(list(spots(data)) or [({"": data}, "")])
        way = rng.choice(("drop", "rename", "twice", "odd", "odd", "odd", "swap", "version"))
        changes.append(f"{way} {key}")
        if way == "drop":
            del holder[key]
        elif way == "rename" and isinstance(holder, dict):
            holder[rng.choice([f"{key}x", str(key).upper(), "", "a\nb"])] = holder.pop(key)
        elif way == "twice" and isinstance(holder, dict):
            text = f'"{key}": {json.dumps(rng.choice(ODD))}, "{key}":'
            text = json.dumps(data).replace(f'"{key}":', text, 1)
        elif way == "swap":
            other, name = rng.choice(list(spots(data)))
            holder[key], other[name] = other[name], holder[key]
        elif way == "version" and isinstance(data, dict):
            data["version"] = rng.choice([0, 2, 99, "1", None, 1.0])
        else:
            holder[key] = rng.choice(ODD)
            changes[-1] += f" = {holder[key]!r:.30}"
        if not any(spots(data)):
            break
    try:
        path.write_text(text or json.dumps(data))
    except ValueError:  # a value that was swapped into itself
        path.write_text("{}")
    return ", ".join(changes)


def spots(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every holder in JSON, with each of its keys."""
    for key in list(data) if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ():
        yield data, key
        yield from spots(data[key])


def settings(path: Path, rng: random.Random) -> str:
    """Lines of TOML that are doubled, swapped, or have other values."""
    lines, changes = path.read_text().splitlines(), []
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = rng.randrange(len(lines))
        name = lines[place].partition(" = ")[0]
        other = [f"{name} = {rng.choice(LITERALS)}", rng.choice(lines), rng.choice(LINES), name]
        lines[place] = rng.choice([other[0], *other])
        changes.append(lines[place][:40])
    path.write_text("\n".join(lines), errors="replace")
    return "; ".join(changes)


def figures(path: Path, rng: random.Random) -> str:
    """A line of a learner's figures with an odd value."""
    lines = path.read_text().splitlines()
    place = rng.randrange(len(lines))
    lines[place] = json.dumps(rng.choice([{"step": rng.choice(ODD)}, {"loss": 1.0}, rng.choice(ODD)]))
    path.write_text("\n".join(lines))
    return lines[place][:40]


def words(line: Sequence[str], rng: random.Random) -> list[str]:
    """A command whose words are fewer, doubled, swapped or odd."""
    line = list(line)
    for _ in range(rng.choice((1, 1, 2, 3))):
        place, way = rng.randrange(len(line) + 1), rng.choice(("drop", "add", "odd", "odd", "swap", "twice"))
        if way == "add" or place == len(line):
            line.insert(place, rng.choice(WORDS))
        elif way == "drop" and len(line) > 1:
            del line[place]
        elif way == "swap":
            other = rng.randrange(len(line))
            line[place], line[other] = line[other], line[place]
        elif way == "twice":
            line.insert(place, line[place])
        else:
            line[place] = rng.choice(WORDS)
    return line


INSIDE: dict[str, Callable[[Path, random.Random], str]] = {
    ".json": record,
    ".jsonl": figures,
    ".toml": settings,
    ".arrow": inside_arrow,
}
