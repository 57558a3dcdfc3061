"""Episodes that were not taken, and why: one small file an injection, beside the batches.

    <dataset>/quarantine/<id>.json    the path, who, when, and a place with its reasons for each episode

Nothing reads them but people. The id is a function of the content, so the same injection again finds its
file and writes none.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .files import named_errors, read_json, write_json_atomically

QUARANTINE = "quarantine"


@dataclass(frozen=True)
class Quarantined:
    """An episode that was not taken: where it is, and every reason."""

    where: str
    reasons: tuple[str, ...]


def write_quarantine(folder: Path, entries: Sequence[Quarantined], facts: Mapping[str, Any]) -> str:
    """Record the entries of one injection into the dataset in `folder`; the id of the record."""
    content = {"path": str(facts.get("path", "")), "entries": [asdict(entry) for entry in entries]}
    name = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    path = folder / QUARANTINE / f"{name}.json"
    if not path.exists():
        with named_errors(path.parent, "made"):
            path.parent.mkdir(exist_ok=True)
        write_json_atomically(path, dict(facts) | content)
    return name


def read_quarantine(folder: Path) -> list[dict[str, Any]]:
    """Every record of the dataset in `folder`, the oldest first, each with its `id`."""
    files = sorted((folder / QUARANTINE).glob("*.json"))
    records = [{"id": path.stem} | read_json(path) for path in files if not path.name.startswith(".")]
    return sorted(records, key=lambda record: (str(record.get("when", "")), record["id"]))
