"""Tombstones: which episodes every later snapshot leaves out, and why. No data is ever rewritten.

The last record about an episode decides (journal.py). A snapshot keeps the exclusions of its own day, so what
was learned before stays what it was.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import DatasetError
from ..files import STRICT
from ..records.batch import batch_of
from .backend import EXCLUDED, Backend
from .journal import append_record, read_journal

VERSION = 1

Action = Literal["exclude", "include"]

Sizes = Mapping[str, int]
"""Of each batch id, how many episodes the batch has."""


@dataclass(frozen=True)
class Tombstone:
    """One record.

    Attributes:
      id: of an episode, `<batch>/<number>`, or of a batch, which stands for all its episodes.
      action: `exclude`, or `include`, which takes it back.
      reason: why, in somebody's words.
      by: who.
      since: ISO time, UTC.
      version: format of the file.
    """

    __pydantic_config__ = STRICT

    id: str
    action: Action
    reason: str
    by: str
    since: str
    version: int = VERSION


def mark(backend: Backend, sizes: Sizes, action: Action, target: str, *, reason: str, by: str) -> int:
    """Record that `target` is excluded or included again; the number of episodes this changes.

    Raises DatasetError where there is no such episode or batch, no reason, or nothing to change.
    """
    if not reason.strip():
        raise DatasetError(f"the reason to {action} {target} is empty, but must say why")
    ids = _episodes_of(target, sizes)
    if not ids:
        raise DatasetError(f"{backend.place} has no batch or episode {target}")
    before = excluded(read_tombstones(backend), sizes)
    changed = ids - before if action == "exclude" else ids & before
    if not changed:
        raise DatasetError(f"{target} is {'excluded already' if action == 'exclude' else 'not excluded'}")
    append_record(backend, EXCLUDED, Tombstone, lambda since: Tombstone(target, action, reason, by, since))
    return len(changed)


def excluded(tombstones: Iterable[Tombstone], sizes: Sizes) -> frozenset[str]:
    """Ids of the episodes that are left out after all these records, the oldest first."""
    ids: frozenset[str] = frozenset()
    for tombstone in tombstones:
        episodes = _episodes_of(tombstone.id, sizes)
        ids = ids | episodes if tombstone.action == "exclude" else ids - episodes
    return ids


def read_tombstones(backend: Backend) -> list[Tombstone]:
    """All records, oldest first. Raises DatasetError, naming a broken one."""
    return list(read_journal(backend, EXCLUDED, Tombstone).values())


def tombstone_faults(backend: Backend, sizes: Sizes) -> list[str]:
    """What is wrong with the records, in sentences: one is broken, or names what is not there."""
    try:
        journal = read_journal(backend, EXCLUDED, Tombstone)
    except DatasetError as error:
        return [str(error)]
    return [
        f"{backend.place}/{EXCLUDED}/{name} names {tombstone.id}, which is not in the store"
        for name, tombstone in journal.items()
        if not _episodes_of(tombstone.id, sizes)
    ]


def _episodes_of(target: str, sizes: Sizes) -> frozenset[str]:
    """The episodes that an id stands for: none where there is no such episode or batch."""
    batch = target if target in sizes else batch_of(target)
    ids = frozenset(f"{batch}/{index}" for index in range(sizes.get(batch, 0)))
    return ids if target in sizes else ids & {target}
