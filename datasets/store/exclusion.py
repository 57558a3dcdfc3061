"""Tombstones: which episodes every later snapshot leaves out, and why. No data is ever rewritten.

The last record about an episode decides. A snapshot keeps the exclusions of its own day, so what was learned
before stays what it was. Sizes say of each batch id how many episodes the batch has.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import DatasetError
from ..files import Strict
from ..records.batch import batch_of
from .backend import EXCLUDED, Backend, append_record, read_room

VERSION = 1

_INDEX = re.compile(r"/(0|[1-9][0-9]{0,17})\Z")  # as a row's id writes it


@dataclass(frozen=True)
class Tombstone(Strict):
    """One record: who did what to which episodes, when (ISO time, UTC), and why.

    `id` is of an episode, `<batch>/<number>`, or of a batch, which stands for all its episodes. `include`
    takes `exclude` back.
    """

    id: str
    action: Literal["exclude", "include"]
    reason: str
    by: str
    since: str
    version: int = VERSION


def mark(backend: Backend, sizes: Mapping[str, int], tombstone: Tombstone) -> int:
    """Add a record, as of now; the number of episodes this changes.

    Raises DatasetError where there is no such episode or batch, no reason, or nothing to change.
    """
    target, excludes = tombstone.id, tombstone.action == "exclude"
    if not tombstone.reason.strip():
        raise DatasetError(f"the reason to {tombstone.action} {target} is empty, but must say why")
    ids = _episodes_of(target, sizes)
    if not ids:
        raise DatasetError(f"{backend.place} has no batch or episode {target}")
    before = excluded(read_room(backend, EXCLUDED, Tombstone).values(), sizes)
    changed = ids - before if excludes else ids & before
    if not changed:
        raise DatasetError(f"{target} is {'excluded already' if excludes else 'not excluded'}")
    append_record(backend, EXCLUDED, tombstone)
    return len(changed)


def excluded(tombstones: Iterable[Tombstone], sizes: Mapping[str, int]) -> frozenset[str]:
    """Ids of the episodes that are left out after all these records, the oldest first."""
    ids: set[str] = set()
    for tombstone in tombstones:
        change = ids.update if tombstone.action == "exclude" else ids.difference_update
        change(_episodes_of(tombstone.id, sizes))
    return frozenset(ids)


def tombstone_faults(backend: Backend, sizes: Mapping[str, int]) -> list[str]:
    """What is wrong with the records, in sentences: one is broken, or names what is not there."""
    try:
        records = read_room(backend, EXCLUDED, Tombstone)
    except DatasetError as error:
        return [str(error)]
    return [
        f"{backend.place}/{EXCLUDED}/{name} names {tombstone.id}, which is not in the store"
        for name, tombstone in records.items()
        if not _episodes_of(tombstone.id, sizes)
    ]


def _episodes_of(target: str, sizes: Mapping[str, int]) -> frozenset[str]:
    """The episodes that an id stands for: none where there is no such episode or batch."""
    if target in sizes:
        return frozenset(f"{target}/{index}" for index in range(sizes[target]))
    index = _INDEX.search(target)
    return frozenset({target} if index and int(index[1]) < sizes.get(batch_of(target), 0) else ())
