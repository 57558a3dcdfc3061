"""Episodes that were not taken, and why: one small file an injection, beside the batches.

Nothing reads them but people. The id is a function of the content, so the same injection again finds its
file and writes none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..files import Strict, fingerprint, json_bytes
from .backend import QUARANTINE, read_room
from .store import EpisodeStore

VERSION = 1


@dataclass(frozen=True)
class Quarantined(Strict):
    """An episode that was not taken: where it is, and every reason."""

    where: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Injection(Strict):
    """What one injection of a `path` did not take; `facts` are its format, by whom, when, ..."""

    path: str
    entries: tuple[Quarantined, ...]
    facts: Mapping[str, Any]
    version: int = VERSION


def write_quarantine(store: EpisodeStore, entries: Sequence[Quarantined], facts: Mapping[str, Any]) -> str:
    """Record the entries of one injection into `store`; the id of the record."""
    path, others = str(facts.get("path", "")), {k: v for k, v in facts.items() if k != "path"}
    name = fingerprint([path, entries])[:16]
    file = f"{QUARANTINE}/{name}.json"
    store.backend.create(file, json_bytes(file, Injection(path, tuple(entries), others)))
    return name


def read_quarantine(store: EpisodeStore) -> list[dict[str, Any]]:
    """Every record of `store`, the oldest first: its facts, with `id`, `path` and `entries`."""
    records = []
    for name, record in read_room(store.backend, QUARANTINE, Injection).items():
        entries = [{"where": entry.where, "reasons": list(entry.reasons)} for entry in record.entries]
        records.append(
            {"id": name.removesuffix(".json"), **record.facts, "path": record.path, "entries": entries}
        )
    return sorted(records, key=lambda record: (str(record.get("when", "")), record["id"]))
