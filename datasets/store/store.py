"""The episode store: batches are written aside, checked, and appear whole under one name or not at all.

Nothing committed is ever written again. Counts come from the manifests, so there is no index that
could disagree with them, and an append costs the same however much is there already. How a dataset lies on a
disk or in a bucket: backend.py.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from ..files import in_background, named_errors, sync, to_json
from ..records.batch import Batch, batch_of, by_batch, check_batch_id
from ..records.episode import Episode
from ..records.rows import EpisodeRow, content_digest, counts, episode_rows
from ..records.schema import Schema
from ..records.snapshot import Snapshot
from . import tables
from .backend import BATCHES, EXCLUDED, SCHEMAS, Backend, manifest_key, parse_manifest, read_room
from .commit import commit
from .exclusion import Tombstone, excluded, mark
from .folder import Folder
from .schemas import find_schema, read_schema, reconcile, write_schema
from .verify import verify

Place = Path | str | Backend
"""A folder, or whatever else keeps a dataset."""


class EpisodeStore:
    """Episodes of one layout in one place, in immutable batches.

    Any number of processes may read and append at the same time. Every method raises DatasetError,
    and nothing else, for bad data, a bad request or a place that refuses.

    Attributes:
      folder: where the store lives, or keeps its local copies.
      place: what sentences call it.
    """

    def __init__(self, backend: Backend, schema: Schema) -> None:
        """Use `create` or `open`."""
        self.backend, self.schema = backend, schema
        self.folder, self.place = backend.folder, backend.place
        self._fingerprint = schema.fingerprint()
        self._known: dict[str, Batch] = {}  # manifests never change, so each is read once
        self._last = ""  # the time of the last commit among them

    @classmethod
    def create(cls, place: Place, schema: Schema) -> "EpisodeStore":
        """Make an empty store, or open the one that is there if its layout and task are the same.

        Where other facts of the task have changed since (horizon, instruction), that is recorded. Raises
        DatasetError, naming what differs, where the layout or the task is another one.
        """
        backend = _backend(place)
        tables.check_storable(schema)
        with named_errors(backend.folder, "made"):
            (backend.folder / BATCHES).mkdir(parents=True, exist_ok=True)
        current = find_schema(backend)
        if current is None:
            write_schema(backend, schema)
            current = read_schema(backend)
        return cls(backend, reconcile(backend, current, schema))

    @classmethod
    def open(cls, place: Place) -> "EpisodeStore":
        """Open the store at a place. Raises DatasetError where there is none, or it is broken."""
        backend = _backend(place)
        return cls(backend, read_schema(backend))

    @classmethod
    def find(cls, place: Place) -> "EpisodeStore | None":
        """The same; None where there is none."""
        backend = _backend(place)
        schema = find_schema(backend)
        return cls(backend, schema) if schema else None

    @staticmethod
    def exists(place: Place) -> bool:
        """Whether there is a store at a place."""
        return bool(_backend(place).names(SCHEMAS))

    def append(
        self,
        episodes: Iterable[Episode],
        *,
        batch_id: str,
        source: str,
        round: int | None = None,
        origin: Mapping[str, Any] | None = None,
    ) -> Batch:
        """Commit `episodes` as one batch; when this returns they are on the disk, whole and read back.

        Appending a batch id again returns what is committed and writes nothing, so a stage that was
        killed may simply run again. What a killed writer was about to commit under another id is committed
        under that one: the batch that is returned says so. Raises DatasetError, and leaves nothing behind,
        where an episode does not fit the schema, the id is taken by other content (episodes, source or
        round), or this content is committed under another id.
        """
        episodes = list(episodes)
        draft = Batch(
            id=batch_id,
            source=source,
            round=round,
            **counts(episodes),
            digests={},
            digest="",
            schema=self._fingerprint,
            origin=json.loads(to_json(f"batch {batch_id}: origin", dict(origin or {}))),
            committed=self._last,
        )
        return self._commit(draft, episodes)

    def batch(self, batch_id: str) -> Batch:
        """The committed batch of this id. Raises DatasetError where there is none."""
        check_batch_id(batch_id)
        (batch,) = self._committed([batch_id])
        if batch is None:
            raise DatasetError(f"{self.place} has no batch {batch_id}")
        return batch

    def holds(self, batch_id: str) -> bool:
        """Whether a batch of this id is committed."""
        check_batch_id(batch_id)
        return self._committed([batch_id]) != [None]

    def batches(self) -> list[Batch]:
        """All committed batches, in the order of their commits."""
        batches = filter(None, self._committed(self.backend.names(BATCHES)))
        return sorted(batches, key=lambda batch: (batch.committed, batch.id))

    def iter_rows(self, batches: Iterable[Batch | str] | None = None) -> Iterator[EpisodeRow]:
        """What is known of each episode without its steps, batch by batch; all batches by default."""
        for batch in self.batches() if batches is None else batches:
            yield from tables.read_episodes(self.file(batch, tables.EPISODES))

    def episodes(self, batch: Batch | str) -> Iterator[Episode]:
        """The episodes of a batch, in order. Their arrays are read-only views of the mapped file."""
        columns = tables.read_steps(self.file(batch, tables.STEPS), self.schema)
        for row in tables.read_episodes(self.file(batch, tables.EPISODES)):
            yield tables.to_episode(row, columns)

    def episode(self, episode_id: str) -> Episode:
        """The episode called `<batch id>/<index within the batch>`. Raises DatasetError if none."""
        batch_id, slash, index = episode_id.rpartition("/")
        if not slash:
            raise DatasetError(f"{episode_id!r} names no episode, which would be <batch>/<number>")
        batch = self.batch(batch_id)
        if not index.isdecimal() or int(index) >= batch.episodes:
            raise DatasetError(f"batch {batch_id} has no episode {index!r}, only 0 to {batch.episodes - 1}")
        row = tables.read_episodes(self.file(batch, tables.EPISODES))[int(index)]
        return tables.to_episode(row, tables.read_steps(self.file(batch, tables.STEPS), self.schema))

    def snapshot(self, batches: Iterable[Batch | str] | None = None) -> Snapshot:
        """Pin what is committed now: these batches, or everything by default.

        The order is that of the commits, whatever the order of the arguments. What is excluded now is
        left out; a batch of which nothing is left is not listed.
        """
        ids = None if batches is None else {self.batch(_id(batch)).id for batch in batches}
        pairs, left_out, excluded_ids = [], [], by_batch(self.excluded())
        for batch in self.batches():
            excluded_here = excluded_ids.get(batch.id, ())
            if (ids is None or batch.id in ids) and len(excluded_here) < batch.episodes:
                pairs.append((batch.id, batch.digest))
                left_out += excluded_here
        return Snapshot(self._fingerprint, tuple(pairs), tuple(left_out))

    def pinned(self, snapshot: Snapshot) -> list[Batch]:
        """The batches of a snapshot, in its order, with their files at hand until another one is pinned.

        Raises DatasetError, naming the batch, where one is missing or is not the one that was pinned.
        """
        batches = self._pinned(snapshot)
        self.backend.fetch(batches)
        return batches

    def counted(self, snapshot: Snapshot) -> list[Batch]:
        """The batches of a snapshot with their counts as they are without the episodes it leaves out."""
        excluded = frozenset(snapshot.excluded)
        changed = {batch_of(episode) for episode in excluded}
        return [
            replace(batch, **counts(row for row in self.iter_rows([batch]) if row.id not in excluded))
            if batch.id in changed
            else batch
            for batch in self._pinned(snapshot)
        ]

    def counted_rows(self, snapshot: Snapshot) -> Iterator[EpisodeRow]:
        """What is known of each episode that a snapshot does not leave out, in its order."""
        excluded = frozenset(snapshot.excluded)
        return (row for row in self.iter_rows(snapshot.batch_ids) if row.id not in excluded)

    def task_of(self, instruction: str) -> str:
        """What an episode was about: its instruction, or the schema's task where it has none."""
        return instruction or self.schema.task

    def exclude(self, target: str, *, reason: str, by: str) -> int:
        """Leave an episode, or all of a batch, out of every later snapshot; how many that leaves out more.

        Raises DatasetError where there is no such episode or batch, or it is excluded already.
        """
        return mark(self.backend, self._sizes(), Tombstone(target, "exclude", reason, by, since=""))

    def include(self, target: str, *, reason: str, by: str) -> int:
        """Take an exclusion back; how many episodes that brings back.

        Raises DatasetError where there is no such episode or batch, or nothing of it is excluded.
        """
        return mark(self.backend, self._sizes(), Tombstone(target, "include", reason, by, since=""))

    def excluded(self) -> frozenset[str]:
        """Ids of the episodes that a snapshot made now leaves out."""
        tombstones = self.tombstones()
        return excluded(tombstones, self._sizes()) if tombstones else frozenset()

    def tombstones(self) -> list[Tombstone]:
        """Every exclusion and what took it back, oldest first."""
        return list(read_room(self.backend, EXCLUDED, Tombstone).values())

    def file(self, batch: Batch | str, name: str) -> Path:
        """A data file of a batch, where it can be mapped. Raises DatasetError where it cannot be had."""
        return self.backend.file(self.batch(_id(batch)), name)

    def verify(self) -> list[str]:
        """Recompute every digest and count. A sentence for each thing that is wrong."""
        return verify(self.backend, self.schema)

    def leftovers(self) -> list[str]:
        """A sentence for each thing that writers have left half done, or are at. None of it counts."""
        return self.backend.leftovers()

    def clean(self) -> list[str]:
        """Remove what writers that are known to be dead have left behind. The names of what was removed."""
        return self.backend.clean()

    def _commit(self, draft: Batch, episodes: Sequence[Episode]) -> Batch:
        """Commit `episodes`, or find them committed; `draft` is the manifest but for digests and time."""
        columns = tables.step_columns(draft.id, episodes, self.schema)
        rows = in_background(episode_rows, draft.id, episodes, draft.round)
        if self.holds(draft.id):
            digest = content_digest(draft, rows.result(), columns["discount"])
        else:
            first = commit(self.backend, draft, tables.steps_table(episodes, columns), rows)
            if first.id != draft.id:  # its writer was killed, or is at work
                return self._commit(replace(draft, id=first.id, origin=first.origin), episodes)
            digest = first.digest
        if self.backend.local:
            with named_errors(self.folder / BATCHES, "synced"):
                sync(self.folder / BATCHES)  # also where another writer committed but has not synced yet
        batch = self.batch(draft.id)
        if batch.digest != digest:
            raise DatasetError(f"batch {draft.id} is already committed, with other content")
        return batch

    def _pinned(self, snapshot: Snapshot) -> list[Batch]:
        if snapshot.schema != self._fingerprint:
            raise DatasetError(f"snapshot {snapshot.id} is of another schema than {self.place}")
        self._committed(snapshot.batch_ids)  # all at once, where that takes requests
        batches = [self.batch(batch_id) for batch_id in snapshot.batch_ids]
        for batch, (_, digest) in zip(batches, snapshot.batches, strict=True):
            if batch.digest != digest:
                raise DatasetError(
                    f"batch {batch.id} has digest {batch.digest[:16]}, but snapshot {snapshot.id} "
                    f"pins {digest[:16]}"
                )
        return batches

    def _sizes(self) -> dict[str, int]:
        return {batch.id: batch.episodes for batch in self.batches()}

    def _committed(self, batch_ids: Sequence[str]) -> list[Batch | None]:
        unknown = [batch_id for batch_id in batch_ids if batch_id not in self._known]
        contents = self.backend.read([manifest_key(batch_id) for batch_id in unknown])
        for batch_id, raw in zip(unknown, contents):
            if raw is not None:
                batch = parse_manifest(self.backend, batch_id, raw, self._fingerprint)
                self._known[batch_id], self._last = batch, max(self._last, batch.committed)
        return [self._known.get(batch_id) for batch_id in batch_ids]


def _backend(place: Place) -> Backend:
    return Folder(place) if isinstance(place, Path | str) else place


def _id(batch: Batch | str) -> str:
    return batch.id if isinstance(batch, Batch) else batch
