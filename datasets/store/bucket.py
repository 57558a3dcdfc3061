"""A dataset in a bucket, read through a local cache.

    <url>/batches/<id>/<upload>/steps.arrow, ...        the data files of one attempt to append the batch
    <url>/batches/<id>/batch.json                       the manifest: its creation is the commit

Everything else lies as in a folder. A batch is written and read back in the cache, uploaded, read back again,
and committed by creating its manifest, which the bucket grants to one writer only. An upload is named by its
manifest's digest, so every attempt writes to keys of its own, a manifest names the files it commits, and what
a killed writer uploaded is named by none.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DatasetError
from ..files import fingerprint, named_errors, remove_dead, temporary_beside, writer_is_dead
from ..objects import Bucket, Version
from ..records.batch import Batch
from .backend import BATCHES, FILES, MANIFEST, SCHEMAS, manifest_key
from .cache import SUFFIX, Cache
from .folder import Folder

if TYPE_CHECKING:
    from obstore import ObjectMeta

UPLOAD_SEC = 24 * 3600.0
"""An upload that no manifest names is dead once another is so much younger: no writer commits one of half
that age."""

THREADS = 8


class CachedBucket:
    """The files of a dataset, in a bucket, with local copies in a folder of bounded size."""

    local = False

    def __init__(
        self, url: str, cache: Path, cache_bytes: int, before_write: Callable[[], None] = lambda: None
    ) -> None:
        """Use what is below `url`, with copies in `cache`; no request is made yet.

        `before_write` is called before a batch or another file is committed, and raises where it must not be.
        Raises DatasetError where `url` is no bucket's, or the cache cannot be made.
        """
        self._bucket = Bucket(url)
        self.place = self._bucket.url
        # One folder a url: copies of another bucket's files never pass for this one's.
        self.folder = cache / fingerprint(self.place.encode())[:16]
        self._batches = self.folder / BATCHES
        with named_errors(self.folder, "made"):
            self._batches.mkdir(parents=True, exist_ok=True)
        self._before_write = before_write
        self._cache = Cache(self._batches, cache_bytes)
        self._tags: dict[str, str | None] = {}  # of the manifests that were listed last
        self._uploads: dict[str, str] = {}  # of the batches whose manifests were read

    def names(self, room: str) -> list[str]:
        """The names in a room, sorted."""
        if room == BATCHES:
            listing = self._bucket.list(BATCHES).items()
            self._tags = {key: meta["e_tag"] for key, meta in listing if _is_manifest(key)}
            return sorted(key.split("/")[1] for key in self._tags)
        names = (key.removeprefix(f"{room}/") for key in self._bucket.list(room))
        return sorted(name for name in names if name.endswith(".json"))

    def read(self, keys: Sequence[str]) -> list[bytes | None]:
        """The content of small files, manifests from copies that are equal; None for what is not there."""
        if len(set(filter(_is_manifest, keys)) - set(self._tags)) > 1:
            self.names(BATCHES)  # one request tells which of the copies count
        with ThreadPoolExecutor(THREADS) as threads:
            return list(threads.map(self._read, keys))

    def create(self, key: str, raw: bytes, *, synced: bool = True) -> bool:
        """Add a small file; False where there is one already."""
        if key.startswith(SCHEMAS):
            self._bucket.check_conditions()
        self._before_write()
        return self._bucket.create(key, raw)

    def publish(self, aside: Path, batch: Batch) -> None:
        """Upload the batch in `aside`, commit it unless another writer did, and keep it in the cache."""
        begun, raw = time.time(), (aside / MANIFEST).read_bytes()
        upload, key = _upload_name(raw), manifest_key(batch.id)
        self._before_write()
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(lambda name: self._upload(batch, upload, aside / name), FILES))
        if time.time() - begun > UPLOAD_SEC / 2:
            raise DatasetError(f"{self.place}/{BATCHES}/{batch.id} took too long to upload: append it again")
        self._before_write()
        version = self._bucket.replace(key, raw, None)
        if version is None:
            self._bucket.delete([_data_key(batch.id, upload, name) for name in FILES])
            return
        self._keep_manifest(key, raw, version)
        for name in FILES:
            (aside / name).replace(self._batches / batch.id / name)
            self._cache.added(self._batches / batch.id / name)

    def file(self, batch: Batch, name: str) -> Path:
        """The local copy of a data file of a batch, fetched if there is none.

        Raises DatasetError where it cannot be fetched, or its digest is not the manifest's.
        """
        upload = self._uploads[batch.id]
        return self._cache.file(batch.id, name, lambda aside: self._download(batch, upload, name, aside))

    def fetch(self, batches: Sequence[Batch], *, again: bool = False) -> None:
        """Fetch what is not in the cache, several files at a time."""
        if again:
            for batch in batches:
                self._cache.forget(batch.id, SUFFIX)
        else:
            self._cache.in_use = frozenset(batch.id for batch in batches)
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(lambda pair: self.file(*pair), [(b, name) for b in batches for name in FILES]))

    def leftovers(self) -> list[str]:
        """A sentence for each upload that no manifest commits."""
        return [
            f"{self.place}/{BATCHES}/{batch_id}/{upload} is of a writer that is at work or died: nothing "
            "of it counts, `clean` removes it where the writer is known to be dead, or after a day"
            for batch_id, upload in self._unreferenced(self._bucket.list(BATCHES))
        ]

    def clean(self) -> list[str]:
        """Remove what dead writers left in the bucket and in the cache. The names of what was removed."""
        dead, removed = self._dead_uploads(), []
        listing = self._bucket.list(BATCHES)
        # By the bucket's clock: this machine's may be a day ahead.
        newest = max((meta["last_modified"] for meta in listing.values()), default=datetime.now(UTC))
        for (batch_id, upload), keys in self._unreferenced(listing).items():
            if (batch_id, upload) in dead or max(keys.values()) < newest - timedelta(seconds=UPLOAD_SEC):
                self._bucket.delete(list(keys))
                removed.append(f"{batch_id}/{upload}")
        with named_errors(self._batches, "listed"):
            removed += remove_dead(self._batches.glob("[!.]*/.*.tmp"))
        # What tells whose uploads are dead goes last.
        return removed + Folder(self.folder).clean()

    def _unreferenced(
        self, listing: "Mapping[str, ObjectMeta]"
    ) -> dict[tuple[str, str], dict[str, datetime]]:
        """Batch id and name of each upload that no manifest commits: its keys, and when each was written."""
        uploads: dict[tuple[str, str], dict[str, datetime]] = {}
        for key, meta in listing.items():
            if len(parts := key.split("/", 3)) == 4:
                uploads.setdefault((parts[1], parts[2]), {})[key] = meta["last_modified"]
        count = Counter(batch_id for batch_id, _ in uploads)
        for batch_id, upload in list(uploads):
            key = manifest_key(batch_id)
            alone = count[batch_id] == 1 and key in listing
            # Read now: it may have been committed since it was listed.
            if alone or upload == _upload_name(self._bucket.read(key) or b""):
                del uploads[batch_id, upload]
        return uploads

    def _dead_uploads(self) -> set[tuple[str, str]]:
        """Uploads of writers that worked in this cache and are dead, by what they wrote aside in it."""
        pairs = set()
        with named_errors(self._batches, "listed"):
            for aside in self._batches.glob(".*.tmp"):
                if writer_is_dead(aside) and (aside / MANIFEST).exists():
                    batch_id = aside.name.removeprefix(".").rsplit(".", 3)[0]
                    pairs.add((batch_id, _upload_name((aside / MANIFEST).read_bytes())))
        return pairs

    def _read(self, key: str) -> bytes | None:
        if not _is_manifest(key):
            return self._bucket.read(key)
        path = self._copy_of(key, self._tags.get(key))
        raw = path.read_bytes() if path.exists() else b""
        if raw.endswith(b"}\n"):  # whole
            self._uploads[path.parent.name] = _upload_name(raw)
            return raw
        path.unlink(missing_ok=True)
        current = self._bucket.fetch(key)
        if current:
            self._keep_manifest(key, current.raw, current.version)
        return current.raw if current else None

    def _keep_manifest(self, key: str, raw: bytes, version: Version) -> None:
        self._tags[key] = version.get("e_tag")
        path = self._copy_of(key, self._tags[key])
        if not path.exists():
            self._cache.forget(path.parent.name)
            with named_errors(path, "written"):
                path.parent.mkdir(exist_ok=True)
                with temporary_beside(path) as aside:
                    aside.write_bytes(raw)  # not synced: whether it is whole shows whenever it is read
                    aside.replace(path)
        self._uploads[path.parent.name] = _upload_name(raw)

    def _copy_of(self, key: str, tag: str | None) -> Path:
        """Where the copy of a manifest lies, whose tag the bucket gives to no other content."""
        return (self.folder / key).with_name(f"{fingerprint(tag)[:16]}.json")

    def _upload(self, batch: Batch, upload: str, path: Path) -> None:
        """Upload a data file, and read back what is there."""
        self._bucket.upload(path, _data_key(batch.id, upload, path.name))
        self._download(batch, upload, path.name, None)

    def _download(self, batch: Batch, upload: str, name: str, path: Path | None) -> None:
        key, digest = _data_key(batch.id, upload, name), batch.digests.get(name, "")
        current = self._bucket.download(key, path)
        if current != digest:
            raise DatasetError(
                f"{self.place}/{key} was changed: its XXH3 is {current[:16]}, but was {digest[:16]}"
            )


def _is_manifest(key: str) -> bool:
    return key.startswith(f"{BATCHES}/") and key.endswith(f"/{MANIFEST}")


def _upload_name(manifest: bytes) -> str:
    return fingerprint(manifest)[:16]


def _data_key(batch_id: str, upload: str, name: str) -> str:
    return f"{BATCHES}/{batch_id}/{upload}/{name}"
