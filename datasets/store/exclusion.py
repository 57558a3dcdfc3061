"""Tombstones: which episodes every later snapshot leaves out, and why. No data is ever rewritten.

    <store>/excluded/<time>-<digest>.json    an episode, or a whole batch, is excluded or included again

The records are immutable and hold in the order of their times: the last one about an episode decides.
A snapshot keeps the exclusions of its own day, so what was learned before stays what it was.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import DatasetError
from ..files import named_errors, parse_json
from ..records.batch import batch_of

if TYPE_CHECKING:
    from .store import EpisodeStore

EXCLUDED = "excluded"
VERSION = 1

Action = Literal["exclude", "include"]


@dataclass(frozen=True)
class Tombstone:
    """One record.

    Attributes:
      id: of an episode, `<batch>/<number>`, or of a batch, which stands for all its episodes.
      action: `exclude`, or `include`, which takes it back.
      reason: why, in somebody's words.
      by: who.
      since: ISO time, UTC.
    """

    id: str
    action: Action
    reason: str
    by: str
    since: str


def mark(store: "EpisodeStore", action: Action, target: str, *, reason: str, by: str) -> int:
    """Record that `target` is excluded or included again; the number of episodes this changes.

    Raises DatasetError where there is no such episode or batch, no reason, or nothing to change.
    """
    if not reason.strip():
        raise DatasetError(f"the reason to {action} {target} is empty, but must say why")
    ids = _expand(target, _sizes(store))
    if not ids:
        raise DatasetError(f"{store.place} has no batch or episode {target}")
    before = excluded(store)
    changed = ids - before if action == "exclude" else ids & before
    if not changed:
        raise DatasetError(f"{target} is {'excluded already' if action == 'exclude' else 'not excluded'}")
    _write(store, action, target, reason, by)
    return len(changed)


def excluded(store: "EpisodeStore") -> frozenset[str]:
    """Ids of the episodes that a snapshot made now leaves out. Raises DatasetError for a broken record."""
    records = tombstones(store)
    sizes = _sizes(store) if records else {}
    gone: set[str] = set()
    for record in records:
        ids = _expand(record.id, sizes)
        gone = gone | ids if record.action == "exclude" else gone - ids
    return frozenset(gone)


def tombstones(store: "EpisodeStore") -> list[Tombstone]:
    """All records of the store, oldest first. Raises DatasetError, naming a broken one."""
    return [read_tombstone(path) for path in store.records(EXCLUDED)]


def read_tombstone(path: Path) -> Tombstone:
    """One record. Raises DatasetError where the file is broken, was changed, or is of a newer version."""
    with named_errors(path, "read"):
        raw = path.read_bytes()
    if hashlib.sha256(raw).hexdigest()[:12] != path.stem.rpartition("-")[2]:
        raise DatasetError(f"{path} was changed: its content does not fit its name")
    data = parse_json(path, raw)
    if not isinstance(data, dict) or data.pop("version", None) != VERSION:
        raise DatasetError(f"{path} is of another version, but this pacloop reads version {VERSION}")
    if set(data) != {field.name for field in fields(Tombstone)}:
        raise DatasetError(f"{path} has the keys {sorted(data)}, not those of a tombstone")
    return Tombstone(**data)


def tombstone_faults(store: "EpisodeStore", path: Path) -> list[str]:
    """What is wrong with a record, in sentences: it is broken, or names what is not there."""
    try:
        target = read_tombstone(path).id
    except DatasetError as error:
        return [str(error)]
    return [] if _expand(target, _sizes(store)) else [f"{path} names {target}, which is not in the store"]


def _write(store: "EpisodeStore", action: Action, target: str, reason: str, by: str) -> None:
    now = datetime.now(UTC)
    if earlier := store.records(EXCLUDED):
        # Later than all it may answer, also where another host's clock is ahead.
        last = datetime.fromisoformat(read_tombstone(earlier[-1]).since)
        now = max(now, last + timedelta(microseconds=1))
    record = Tombstone(target, action, reason, by, now.isoformat(timespec="microseconds"))
    raw = json.dumps({"version": VERSION} | asdict(record), indent=2).encode() + b"\n"
    name = f"{now:%Y%m%dT%H%M%S.%fZ}-{hashlib.sha256(raw).hexdigest()[:12]}.json"
    store.write_record(EXCLUDED, name, raw)


def _sizes(store: "EpisodeStore") -> dict[str, int]:
    return {batch.id: batch.episodes for batch in store.batches()}


def _expand(target: str, sizes: Mapping[str, int]) -> frozenset[str]:
    """The episodes that an id stands for: none where there is no such episode or batch."""
    if target in sizes:
        return _ids(target, sizes[target])
    batch = batch_of(target)
    return _ids(batch, sizes.get(batch, 0)) & {target}


def _ids(batch: str, episodes: int) -> frozenset[str]:
    return frozenset(f"{batch}/{index}" for index in range(episodes))
