"""Episodes that were not taken, and why: one small file an injection, beside the batches.

    <dataset>/quarantine/<id>.json    the path, who, when, and a place with its reasons for each episode

Nothing reads them but people. The id is a function of the content, so the same injection again finds its
file and writes none.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..files import json_bytes, read_json

if TYPE_CHECKING:
    from .store import EpisodeStore

QUARANTINE = "quarantine"


@dataclass(frozen=True)
class Quarantined:
    """An episode that was not taken: where it is, and every reason."""

    where: str
    reasons: tuple[str, ...]


def write_quarantine(store: "EpisodeStore", entries: Sequence[Quarantined], facts: Mapping[str, Any]) -> str:
    """Record the entries of one injection into `store`; the id of the record."""
    content = {"path": str(facts.get("path", "")), "entries": [asdict(entry) for entry in entries]}
    name = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    if name not in {path.stem for path in store.records(QUARANTINE)}:
        file = f"{name}.json"
        store.write_record(QUARANTINE, file, json_bytes(file, dict(facts) | content))
    return name


def read_quarantine(store: "EpisodeStore") -> list[dict[str, Any]]:
    """Every record of `store`, the oldest first, each with its `id`."""
    records = [{"id": path.stem} | read_json(path) for path in store.records(QUARANTINE)]
    return sorted(records, key=lambda record: (str(record.get("when", "")), record["id"]))
