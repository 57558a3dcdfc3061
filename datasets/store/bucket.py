"""An episode store in a bucket, read through a local cache.

    <url>/schema.json                                   as in a folder
    <url>/batches/<id>/<upload>/steps.arrow, ...        the data files of one attempt to append the batch
    <url>/batches/<id>/batch.json                       the manifest: its creation is the commit
    <url>/excluded/, <url>/quarantine/                  small files, each written once

`<upload>` is the SHA-256 of the manifest's bytes, so every attempt writes to keys of its own, and a manifest
names the files it commits. A batch is written and read back in the cache as in a local store, uploaded, read
back again, and committed by creating its manifest, which the bucket grants to one writer only. What a killed
writer uploaded is named by no manifest.
"""

import hashlib
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from ..errors import DatasetError
from ..files import json_bytes, named_errors, parse_json, temporary_beside, write_bytes_atomically
from ..objects import Bucket
from ..records.batch import MANIFEST, Batch
from ..records.schema import Schema
from ..records.snapshot import Snapshot
from .cache import Cache
from .commit import Described, commit
from .exclusion import EXCLUDED, tombstone_faults
from .leftovers import (
    clean_fetches,
    dead_uploads,
    listing,
    manifest_key,
    unreferenced,
    upload_name,
)
from .store import BATCHES, SCHEMA, EpisodeStore, check_same_schema, parse_schema, schema_json
from .tables import EPISODES, STEPS, check_storable
from .verify import batch_faults
from .verify import clean as clean_folder

UPLOAD_SEC = 24 * 3600.0
"""An upload that no manifest names is dead after so long: no writer commits one of half that age."""

THREADS = 8
FILES = (STEPS, EPISODES)


def create_remote(url: str, schema: Schema, cache: Path, cache_bytes: int) -> "RemoteStore":
    """Make an empty store at `url`, or open the one that is there if its schema is the same.

    Raises DatasetError where it holds another schema, or the bucket creates what exists already.
    """
    check_storable(schema)
    bucket, raw = Bucket(url), json_bytes(SCHEMA, schema_json(schema))
    if bucket.read(SCHEMA) is None and bucket.create(SCHEMA, raw) and bucket.create(SCHEMA, raw):
        raise DatasetError(
            f"{url} overwrites what it was told to create only (If-None-Match): use another store"
        )
    store = open_remote(url, cache, cache_bytes)
    check_same_schema(bucket.place(SCHEMA), store.schema, schema)
    return store


def open_remote(url: str, cache: Path, cache_bytes: int) -> "RemoteStore":
    """Open the store at `url`, with local copies in `cache`. Raises DatasetError where there is none."""
    bucket = Bucket(url)
    place, raw = bucket.place(SCHEMA), bucket.read(SCHEMA)
    if raw is None:
        raise DatasetError(f"{place} cannot be read: there is no such object")
    return RemoteStore(bucket, parse_schema(place, parse_json(place, raw)), cache, cache_bytes)


def has_remote(url: str) -> bool:
    """Whether there is a store at `url`."""
    return Bucket(url).read(SCHEMA) is not None


class RemoteStore(EpisodeStore):
    """Episodes of one schema in one bucket; everything else is as with `EpisodeStore`."""

    def __init__(self, bucket: Bucket, schema: Schema, cache: Path, cache_bytes: int) -> None:
        """Use `create_remote` or `open_remote`."""
        # One folder a url: copies of another bucket's files never pass for this one's.
        super().__init__(cache / hashlib.sha256(bucket.url.encode()).hexdigest()[:16], schema)
        with named_errors(self._folder, "made"):
            (self._folder / BATCHES).mkdir(parents=True, exist_ok=True)
        self._bucket = bucket
        self._cache = Cache(self._folder / BATCHES, cache_bytes)
        self._uploads: dict[str, str] = {}  # of the batches in `_known`

    @property
    def place(self) -> str:
        """Its URL."""
        return self._bucket.url

    def batches(self) -> list[Batch]:
        """All committed batches, in the order of their commits. A manifest is fetched once."""
        listed = listing(self._bucket)
        ids = [batch_id for batch_id, keys in listed.items() if MANIFEST in keys]
        new = [batch_id for batch_id in ids if batch_id not in self._known]
        with ThreadPoolExecutor(THREADS) as threads:
            for batch_id, raw in zip(new, threads.map(lambda i: self._manifest(i, listed[i]), new)):
                if raw is not None:
                    self._learn(batch_id, raw)
        found = [self._known[batch_id] for batch_id in ids if batch_id in self._known]
        return sorted(found, key=lambda batch: (batch.committed, batch.id))

    def pinned(self, snapshot: Snapshot) -> list[Batch]:
        """As with `EpisodeStore`; and fetch them all, and keep them until another snapshot is pinned."""
        if not set(snapshot.batch_ids) <= set(self._known):
            self.batches()
        batches = super().pinned(snapshot)
        self._cache.in_use = frozenset(snapshot.batch_ids)
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(lambda pair: self.file(*pair), [(b, name) for b in batches for name in FILES]))
        return batches

    def file(self, batch: Batch | str, name: str) -> Path:
        """The local copy of a data file of a batch, fetched if there is none.

        Raises DatasetError where it cannot be fetched, or its digest is not the manifest's.
        """
        found = self.batch(batch.id if isinstance(batch, Batch) else batch)
        return self._cache.file(found.id, name, lambda aside: self._fetch(found, name, aside))

    def records(self, room: str) -> list[Path]:
        """Local copies of the small files of a room, by name."""
        folder, keys = self._folder / room, sorted(self._bucket.list(room))
        paths = [folder / key.rpartition("/")[2] for key in keys]
        with named_errors(folder, "made"):
            folder.mkdir(exist_ok=True)
        for key, path in zip(keys, paths):
            if not path.exists() and (raw := self._bucket.read(key)) is not None:
                write_bytes_atomically(path, raw)
        return paths

    def write_record(self, room: str, name: str, raw: bytes) -> None:
        """Add a small file to a room. Nothing ever writes it again."""
        self._bucket.create(f"{room}/{name}", raw)

    def verify(self) -> list[str]:
        """Fetch everything again and recompute every digest and count. A sentence for what is wrong."""
        sentences = []
        listed = listing(self._bucket)
        for batch_id, keys in sorted(listed.items()):
            if MANIFEST in keys:
                sentences += self._faults(batch_id)
        for batch_id, upload in unreferenced(self._bucket, listed):
            sentences.append(
                f"{self._place(batch_id, upload)} is of a writer that is at work or died: nothing of it "
                "counts, `clean` removes it where the writer is known to be dead, or after a day"
            )
        for path in self.records(EXCLUDED):
            sentences += tombstone_faults(self, path)
        return sentences

    def clean(self) -> list[str]:
        """Remove what dead writers left in the bucket and in the cache. The names of what was removed."""
        listed = listing(self._bucket)
        dead = dead_uploads(self._folder / BATCHES)
        oldest = datetime.fromtimestamp(time.time() - UPLOAD_SEC, UTC)
        removed = []
        for batch_id, upload in unreferenced(self._bucket, listed):
            keys = {key: when for key, when in listed[batch_id].items() if key.startswith(f"{upload}/")}
            if (batch_id, upload) in dead or max(keys.values()) < oldest:
                self._bucket.delete([f"{BATCHES}/{batch_id}/{key}" for key in keys])
                removed.append(f"{batch_id}/{upload}")
        # What tells whose uploads are dead goes last.
        return removed + clean_fetches(self._folder / BATCHES) + clean_folder(self)

    def _commit(self, target: Path, steps: pa.RecordBatch, described: Described) -> Batch:
        return commit(target, steps, described, self._publish)

    def _publish(self, aside: Path, target: Path) -> None:
        """Upload the batch in `aside`, commit it unless another writer did, and keep it in the cache."""
        begun, raw = time.time(), (aside / MANIFEST).read_bytes()
        batch = Batch.from_json(parse_json(aside / MANIFEST, raw))
        for name in FILES:
            self._bucket.upload(aside / name, self._key(batch.id, upload_name(raw), name))
        for name in FILES:
            self._read(batch, upload_name(raw), name, None)
        if time.time() - begun > UPLOAD_SEC / 2:
            raise DatasetError(f"{self._place(batch.id)} took too long to upload: append it again")
        created = self._bucket.create(manifest_key(batch.id), raw)
        # A request that was answered too late was sent again, and found its own work.
        if not created and self._bucket.read(manifest_key(batch.id)) != raw:
            self._bucket.delete([self._key(batch.id, upload_name(raw), name) for name in FILES])
            return
        self._learn(batch.id, raw)
        for name in FILES:
            (aside / name).replace(target / name)
            self._cache.added(target / name)

    def _committed(self, batch_id: str) -> Batch | None:
        if batch_id not in self._known:
            raw = self._bucket.read(manifest_key(batch_id))
            if raw is None:
                return None
            self._learn(batch_id, raw)
        return self._known[batch_id]

    def _learn(self, batch_id: str, raw: bytes) -> None:
        """Know a batch by its manifest, and keep that in the cache."""
        place = self._place(batch_id, MANIFEST)
        batch = Batch.from_json(parse_json(place, raw), place)
        if batch.id != batch_id:
            raise DatasetError(f"{place} says id {batch.id!r}, but lies under {batch_id!r}")
        if batch.schema != self._fingerprint:
            raise DatasetError(f"{place} is of another schema than {self._bucket.place(SCHEMA)}")
        path = self.path(batch_id) / MANIFEST
        if not path.exists() or path.read_bytes() != raw:
            self._cache.forget(batch_id)
            with named_errors(path, "written"), temporary_beside(path) as aside:
                path.parent.mkdir(exist_ok=True)
                aside.write_bytes(raw)  # not synced: its digest is checked whenever it is used
                aside.replace(path)
        self._known[batch_id], self._uploads[batch_id] = batch, upload_name(raw)

    def _manifest(self, batch_id: str, keys: Mapping[str, datetime]) -> bytes | None:
        """The bytes of a manifest, from the cache where they name an upload that is there."""
        path = self.path(batch_id) / MANIFEST
        if path.exists() and f"{upload_name(raw := path.read_bytes())}/{STEPS}" in keys:
            return raw
        return self._bucket.read(manifest_key(batch_id))

    def _fetch(self, batch: Batch, name: str, path: Path) -> None:
        self._read(batch, self._uploads[batch.id], name, path)

    def _read(self, batch: Batch, upload: str, name: str, path: Path | None) -> None:
        found = self._bucket.download(self._key(batch.id, upload, name), path)
        if found != (wanted := batch.digests.get(name, "")):
            raise DatasetError(
                f"{self._place(batch.id, upload, name)} was changed: its XXH3 is {found[:16]}, "
                f"but was {wanted[:16]}"
            )

    def _faults(self, batch_id: str) -> list[str]:
        try:
            with self._cache.held([batch_id]):
                self._known.pop(batch_id, None)
                self.batch(batch_id)
                self._cache.forget(batch_id)
                for name in FILES:
                    self.file(batch_id, name)
                return batch_faults(self, self.path(batch_id))
        except DatasetError as error:
            return [str(error)]

    def _key(self, batch_id: str, upload: str, name: str) -> str:
        return f"{BATCHES}/{batch_id}/{upload}/{name}"

    def _place(self, *parts: str) -> str:
        return self._bucket.place("/".join([BATCHES, *parts]))
