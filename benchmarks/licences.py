"""What a user of pacloop installs, by package, version and licence; exits 1 where one is not free enough.

    python benchmarks/licences.py

It follows what pacloop requires, as it is installed here, and reads what each package says of itself. Parts
of another licence that a wheel is known to have inside are noted beside it and are no fault: nobody who only
uses pacloop passes them on.
"""

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

REFUSED = re.compile(
    r"\bA?GPL|(?<!Lesser )General Public|Affero|non-?commercial|\bNC\b|proprietary", re.IGNORECASE
)
CHECKED = {
    "namex": "Apache-2.0",  # its metadata says nothing, its file of the licence does
    "text-unidecode": "Artistic-1.0-Perl",  # or GPL, as one likes
}
"""Licences that a person looked up, where the metadata says nothing or offers a choice."""
INSIDE = {"libx264": "GPL-2.0-or-later", "libx265": "GPL-2.0-or-later"}
"""Libraries that wheels bring along, and their licences."""


def packages(root: str) -> dict[str, Distribution]:
    """The installed packages that `root` requires, and those require, without extras."""
    found: dict[str, Distribution] = {}
    waiting = [root]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # for another system, or another Python
            continue
        required = [line for line in found[name].requires or () if not re.search(r"\bextra\s*==", line)]
        waiting += [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in required]
    return dict(sorted(found.items()))


def licence(name: str, package: Distribution) -> str:
    """What a package says that its licence is; empty where it says nothing."""
    facts: Any = package.metadata
    if words := CHECKED.get(name) or facts.get("License-Expression"):
        return words
    classifiers = [line.split(" :: ") for line in facts.get_all("Classifier") or ()]
    first = (facts.get("License") or "").strip().partition("\n")[0][:60]
    said = [first, *(words[-1] for words in classifiers if words[0] == "License")]
    return ", ".join(dict.fromkeys(words for words in said if words))


def objection(licence: str) -> str | None:
    """Why a licence will not do; None where it will, one of several to choose from being enough."""
    if not licence:
        return "says nothing of its licence"
    if all(REFUSED.search(choice) for choice in re.split(r"\s+OR\s+", licence)):
        return "has a licence that is not for everybody, or passes itself on"
    return None


def inside(package: Distribution) -> str:
    """Which libraries of another licence a package has inside."""
    names = {library for file in package.files or () for library in INSIDE if file.name.startswith(library)}
    return "".join(f"; inside {name}: {INSIDE[name]}" for name in sorted(names))


def main() -> int:
    faults = []
    for name, package in packages("pacloop").items():
        words = licence(name, package)
        print(f"{name:<28} {package.version:<16} {words}{inside(package)}")
        if fault := objection(words):
            faults.append(f"{name} {package.version} {fault}: {words}")
    if faults:
        print(*faults, sep="\n", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
