"""The episode store: batches are written aside, checked, and appear whole under one name or not at all.

    <folder>/schema.json               what a step looks like, with its fingerprint
    <folder>/batches/<id>/             a committed batch: steps.arrow, episodes.arrow, batch.json
    <folder>/batches/.<id>.*.tmp/      a batch somebody is writing, or was writing when they were killed
    <folder>/excluded/                 tombstones: what later snapshots leave out (exclusion.py)

Nothing committed is ever written again. Counts come from the manifests, so there is no index that
could disagree with them, and an append costs the same however much is there already.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import DatasetError
from ..files import (
    in_background,
    named_errors,
    read_json,
    sync,
    write_bytes_atomically,
    write_json_atomically,
)
from ..records.batch import MANIFEST, Batch, check_batch_id, check_source, read_batch
from ..records.episode import Episode
from ..records.rows import (
    EpisodeRow,
    check_layouts,
    check_numbers,
    columns_digest,
    content_digest,
    episode_digest,
    episode_rows,
)
from ..records.schema import Schema
from ..records.snapshot import Snapshot, counted_batches, pinned_batches, take_snapshot
from .commit import Described, commit, draft_batch
from .exclusion import Tombstone, excluded, mark, tombstones
from .tables import (
    EPISODES,
    STEPS,
    check_storable,
    episodes_table,
    read_episodes,
    read_steps,
    step_columns,
    steps_table,
    to_episode,
)

SCHEMA = "schema.json"
BATCHES = "batches"


class EpisodeStore:
    """Episodes of one schema in one folder, in immutable batches.

    Any number of processes may read and append at the same time. Every method raises DatasetError,
    and nothing else, for bad data, a bad request or a disk that refuses.
    """

    def __init__(self, folder: Path | str, schema: Schema) -> None:
        """Use `create` or `open`."""
        self._folder = Path(folder)
        self._schema = schema
        self._fingerprint = schema.fingerprint()
        self._known: dict[str, Batch] = {}  # manifests never change, so each is read once

    @classmethod
    def create(cls, folder: Path | str, schema: Schema) -> "EpisodeStore":
        """Make an empty store, or open the one that is there if its schema is the same.

        Raises DatasetError, naming the field that differs, where the folder holds another schema.
        """
        folder = Path(folder)
        check_storable(schema)
        with named_errors(folder, "made"):
            (folder / BATCHES).mkdir(parents=True, exist_ok=True)
        if not (folder / SCHEMA).exists():
            write_json_atomically(folder / SCHEMA, schema_json(schema))
        store = cls.open(folder)
        check_same_schema(folder / SCHEMA, store.schema, schema)
        return store

    @classmethod
    def open(cls, folder: Path | str) -> "EpisodeStore":
        """Open the store in `folder`. Raises DatasetError where there is none, or it is broken."""
        path = Path(folder) / SCHEMA
        return cls(folder, parse_schema(path, read_json(path)))

    @property
    def folder(self) -> Path:
        """Where the store lives."""
        return self._folder

    @property
    def place(self) -> str:
        """What sentences call it."""
        return str(self._folder)

    @property
    def schema(self) -> Schema:
        """What every step of every episode looks like."""
        return self._schema

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
        killed may simply run again. Raises DatasetError, and leaves nothing behind, where an episode
        does not fit the schema, or the id is taken by other content (episodes, source or round).
        """
        check_batch_id(batch_id)
        check_source(source)
        if round is not None and not isinstance(round, int):
            raise DatasetError(f"batch {batch_id}: round is {round!r}, but must be a whole number or None")
        episodes = list(episodes)
        if not episodes:
            raise DatasetError(f"batch {batch_id} has no episodes")
        check_layouts(batch_id, episodes, self._schema)
        columns = step_columns(episodes, self._schema)
        check_numbers(batch_id, episodes, columns, self._schema)
        hashed = in_background(columns_digest, columns)

        def described() -> tuple[Batch, pa.RecordBatch]:
            rows = episode_rows(batch_id, episodes, round)
            digest = content_digest(self._header(source, round), rows, hashed.result())
            draft = draft_batch(batch_id, source, round, rows, digest, self._fingerprint, origin or {})
            return draft, episodes_table(rows)

        if self._committed(batch_id) is None:
            draft = self._commit(self.path(batch_id), steps_table(episodes, columns), described)
        else:
            draft, _ = described()
        with named_errors(self._folder / BATCHES, "synced"):
            sync(self._folder / BATCHES)  # also where another writer committed but has not synced yet
        batch = self.batch(batch_id)
        if batch.digest != draft.digest:
            raise DatasetError(f"batch {batch_id} is already committed, with other content")
        return batch

    def batch(self, batch_id: str) -> Batch:
        """The committed batch of this id. Raises DatasetError where there is none."""
        check_batch_id(batch_id)
        committed = self._committed(batch_id)
        if committed is None:
            raise DatasetError(f"{self.place} has no batch {batch_id}")
        return committed

    def holds(self, batch_id: str) -> bool:
        """Whether a batch of this id is committed."""
        check_batch_id(batch_id)
        return self._committed(batch_id) is not None

    def batches(self) -> list[Batch]:
        """All committed batches, in the order of their commits."""
        with named_errors(self._folder / BATCHES, "listed"), os.scandir(self._folder / BATCHES) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
        found = [batch for batch in map(self._committed, names) if batch is not None]
        return sorted(found, key=lambda batch: (batch.committed, batch.id))

    def iter_rows(self, batches: Iterable[Batch | str] | None = None) -> Iterator[EpisodeRow]:
        """What is known of each episode without its steps, batch by batch; all batches by default."""
        for batch in self.batches() if batches is None else batches:
            yield from read_episodes(self.file(batch, EPISODES))

    def episodes(self, batch: Batch | str) -> Iterator[Episode]:
        """The episodes of a batch, in order. Their arrays are read-only views of the mapped file."""
        columns = read_steps(self.file(batch, STEPS), self._schema)
        for row in read_episodes(self.file(batch, EPISODES)):
            yield to_episode(row, columns)

    def episode(self, episode_id: str) -> Episode:
        """The episode called `<batch id>/<index within the batch>`. Raises DatasetError if none."""
        batch_id, slash, index = episode_id.rpartition("/")
        if not slash:
            raise DatasetError(f"{episode_id!r} names no episode, which would be <batch>/<number>")
        batch = self.batch(batch_id)
        if not index.isdecimal() or int(index) >= batch.episodes:
            raise DatasetError(f"batch {batch_id} has no episode {index!r}, only 0 to {batch.episodes - 1}")
        row = read_episodes(self.file(batch, EPISODES))[int(index)]
        return to_episode(row, read_steps(self.file(batch, STEPS), self._schema))

    def snapshot(
        self, sources: Iterable[str] | None = None, batches: Iterable[Batch | str] | None = None
    ) -> Snapshot:
        """Pin what is committed now: of these sources, and of these batches, or everything by default.

        The order is that of the commits, whatever the order of the arguments. What is excluded now is
        left out; a batch of which nothing is left is not listed.
        """
        return take_snapshot(self, sources, batches)

    def pinned(self, snapshot: Snapshot) -> list[Batch]:
        """The batches of a snapshot, in its order.

        Raises DatasetError, naming the batch, where one is missing or is not the one that was pinned.
        """
        return pinned_batches(self, snapshot)

    def counted(self, snapshot: Snapshot) -> list[Batch]:
        """The batches of a snapshot with their counts as they are without the episodes it leaves out."""
        return counted_batches(self, snapshot)

    def counted_rows(self, snapshot: Snapshot) -> Iterator[EpisodeRow]:
        """What is known of each episode that a snapshot does not leave out, in its order."""
        gone = frozenset(snapshot.excluded)
        return (row for row in self.iter_rows(snapshot.batch_ids) if row.id not in gone)

    def task_of(self, row: EpisodeRow) -> str:
        """What an episode was about: its instruction, or the schema's task where it has none."""
        return row.instruction or self._schema.task

    def exclude(self, target: str, *, reason: str, by: str) -> int:
        """Leave an episode, or all of a batch, out of every later snapshot; how many that leaves out more.

        Raises DatasetError where there is no such episode or batch, or it is excluded already.
        """
        return mark(self, "exclude", target, reason=reason, by=by)

    def include(self, target: str, *, reason: str, by: str) -> int:
        """Take an exclusion back; how many episodes that brings back.

        Raises DatasetError where there is no such episode or batch, or nothing of it is excluded.
        """
        return mark(self, "include", target, reason=reason, by=by)

    def excluded(self) -> frozenset[str]:
        """Ids of the episodes that a snapshot made now leaves out."""
        return excluded(self)

    def tombstones(self) -> list[Tombstone]:
        """Every exclusion and what took it back, oldest first."""
        return tombstones(self)

    def path(self, batch: Batch | str) -> Path:
        """The folder of a batch."""
        return self._folder / BATCHES / _id(batch)

    def file(self, batch: Batch | str, name: str) -> Path:
        """A data file of a batch, where it can be mapped."""
        return self.path(batch) / name

    def records(self, room: str) -> list[Path]:
        """The small files of a room beside the batches (`excluded`, `quarantine`), by name."""
        folder = self._folder / room
        with named_errors(folder, "listed"):
            return sorted(folder.glob("[!.]*.json"))

    def write_record(self, room: str, name: str, raw: bytes) -> None:
        """Add a small file to a room, synced. Nothing ever writes it again."""
        folder = self._folder / room
        with named_errors(folder, "made"):
            folder.mkdir(exist_ok=True)
            sync(folder.parent)
        write_bytes_atomically(folder / name, raw)

    def verify(self) -> list[str]:
        """Recompute every digest and count. A sentence for each thing that is wrong."""
        from .verify import verify

        return verify(self)

    def clean(self) -> list[str]:
        """Remove what writers of this host that are dead have left behind. The names of what was removed."""
        from .verify import clean

        return clean(self)

    def content_digest(self, batch: Batch) -> str:
        """The digest of what the files of `batch` say now: `batch.digest`, unless they were changed."""
        columns = read_steps(self.file(batch, STEPS), self._schema)
        rows = [
            replace(row, digest=episode_digest(to_episode(row, columns)))
            for row in read_episodes(self.file(batch, EPISODES))
        ]
        return content_digest(self._header(batch.source, batch.round), rows, columns_digest(columns))

    def _header(self, source: str, round: int | None) -> dict[str, Any]:
        return {"schema": self._fingerprint, "source": source, "round": round}

    def _commit(self, target: Path, steps: pa.RecordBatch, described: Described) -> Batch:
        return commit(target, steps, described)

    def _committed(self, batch_id: str) -> Batch | None:
        if batch_id not in self._known:
            folder = self.path(batch_id)
            if not (folder / MANIFEST).exists():
                return None
            batch = read_batch(folder)
            if batch.schema != self._fingerprint:
                raise DatasetError(f"{folder / MANIFEST} is of another schema than {self._folder / SCHEMA}")
            self._known[batch_id] = batch
        return self._known[batch_id]


def schema_json(schema: Schema) -> dict[str, Any]:
    """What `schema.json` says."""
    return {"version": 1, "fingerprint": schema.fingerprint(), "schema": schema.to_json()}


def parse_schema(path: Path | str, data: Any) -> Schema:
    """The schema that `schema.json` holds. Raises DatasetError where it is broken or too new."""
    if not isinstance(data, dict) or "schema" not in data or "fingerprint" not in data:
        raise DatasetError(f"{path} must have a schema and its fingerprint")
    if data.get("version") != 1:
        raise DatasetError(f"{path} has version {data.get('version')}, but this pacloop reads version 1")
    schema = Schema.from_json(data["schema"])
    if schema.fingerprint() != data["fingerprint"]:
        raise DatasetError(f"{path} was changed by hand: its schema does not fit its fingerprint")
    return schema


def check_same_schema(path: Path | str, found: Schema, wanted: Schema) -> None:
    """Raise DatasetError, naming the field that differs, where `path` holds another schema."""
    difference = found.difference(wanted)
    if difference is not None:
        raise DatasetError(f"{path} is of another schema: {difference}")


def _id(batch: Batch | str) -> str:
    return batch.id if isinstance(batch, Batch) else batch
