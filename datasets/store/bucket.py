"""A dataset in a bucket, read through a local cache.

    <url>/batches/<id>/<upload>/steps.arrow, ...        the data files of one attempt to append the batch
    <url>/batches/<id>/batch.json                       the manifest: its creation is the commit

Everything else lies as in a folder. A batch is written and read back in the cache, uploaded (uploads.py),
read back again, and committed by creating its manifest, which the bucket grants to one writer only. What a
killed writer uploaded is named by no manifest.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from ..errors import DatasetError
from ..files import fingerprint, named_errors, remove_dead, temporary_beside, write_bytes_atomically
from ..objects import Bucket
from ..records.batch import Batch
from .backend import BATCHES, FILES, MANIFEST, SCHEMAS, manifest_key
from .cache import Cache
from .folder import Folder
from .tables import STEPS
from .uploads import Listing, dead_uploads, list_batches, unreferenced, upload_name

UPLOAD_SEC = 24 * 3600.0
"""An upload that no manifest names is dead after so long: no writer commits one of half that age."""

THREADS = 8


class CachedBucket:
    """The files of a dataset, in a bucket, with local copies in a folder of bounded size."""

    def __init__(self, url: str, cache: Path, cache_bytes: int) -> None:
        """Use what is below `url`, with copies in `cache`; no request is made yet.

        Raises DatasetError where `url` is no bucket's, or the cache cannot be made.
        """
        self._bucket = Bucket(url)
        # One folder a url: copies of another bucket's files never pass for this one's.
        self.folder = cache / fingerprint(self._bucket.url.encode())[:16]
        self._batches = self.folder / BATCHES
        with named_errors(self.folder, "made"):
            self._batches.mkdir(parents=True, exist_ok=True)
        self._cache = Cache(self._batches, cache_bytes)
        self._listing: Listing = {}
        self._uploads: dict[str, str] = {}  # of the batches whose manifests were read

    @property
    def place(self) -> str:
        """Its URL."""
        return self._bucket.url

    def names(self, room: str) -> list[str]:
        """The names in a room, sorted."""
        if room == BATCHES:
            self._listing = list_batches(self._bucket)
            return sorted(batch_id for batch_id, keys in self._listing.items() if MANIFEST in keys)
        return sorted(key.removeprefix(f"{room}/") for key in self._bucket.list(room))

    def read(self, keys: Sequence[str]) -> list[bytes | None]:
        """The content of small files, from copies where these must be equal; None for what is not there."""
        batch_ids = {key.split("/")[1] for key in keys if key.startswith(f"{BATCHES}/")}
        if len(batch_ids - set(self._listing)) > 1:  # one request tells which of the copies count
            self._listing = list_batches(self._bucket)
        with ThreadPoolExecutor(THREADS) as threads:
            return list(threads.map(self._read, keys))

    def create(self, key: str, raw: bytes) -> bool:
        """Add a small file; False where there is one already."""
        return self._bucket.create(key, raw)

    def publish(self, aside: Path, batch: Batch) -> None:
        """Upload the batch in `aside`, commit it unless another writer did, and keep it in the cache."""
        begun, raw = time.time(), (aside / MANIFEST).read_bytes()
        upload, key = upload_name(raw), manifest_key(batch.id)
        for name in FILES:
            self._bucket.upload(aside / name, _data_key(batch.id, upload, name))
        for name in FILES:
            self._download(batch, upload, name, None)
        if time.time() - begun > UPLOAD_SEC / 2:
            raise DatasetError(f"{self.place}/{BATCHES}/{batch.id} took too long to upload: append it again")
        # A request that was answered too late was sent again, and found its own work.
        if not self._bucket.create(key, raw) and self._bucket.read(key) != raw:
            self._bucket.delete([_data_key(batch.id, upload, name) for name in FILES])
            return
        self._keep_manifest(batch.id, raw)
        self._listing = {**self._listing, batch.id: {f"{upload}/{STEPS}": datetime.now(UTC)}}
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
                self._cache.forget(batch.id)
        else:
            self._cache.in_use = frozenset(batch.id for batch in batches)
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(lambda pair: self.file(*pair), [(b, name) for b in batches for name in FILES]))

    def leftovers(self) -> list[str]:
        """A sentence for each upload that no manifest commits."""
        return [
            f"{self.place}/{BATCHES}/{batch_id}/{upload} is of a writer that is at work or died: nothing "
            "of it counts, `clean` removes it where the writer is known to be dead, or after a day"
            for batch_id, upload in unreferenced(self._bucket, list_batches(self._bucket))
        ]

    def clean(self) -> list[str]:
        """Remove what dead writers left in the bucket and in the cache. The names of what was removed."""
        listing, dead = list_batches(self._bucket), dead_uploads(self._batches)
        oldest = datetime.fromtimestamp(time.time() - UPLOAD_SEC, UTC)
        removed = []
        for batch_id, upload in unreferenced(self._bucket, listing):
            keys = {key: when for key, when in listing[batch_id].items() if key.startswith(f"{upload}/")}
            if (batch_id, upload) in dead or max(keys.values()) < oldest:
                self._bucket.delete([f"{BATCHES}/{batch_id}/{key}" for key in keys])
                removed.append(f"{batch_id}/{upload}")
        with named_errors(self._batches, "listed"):
            removed += remove_dead(self._batches.glob("[!.]*/.*.tmp"))
        # What tells whose uploads are dead goes last.
        return removed + Folder(self.folder).clean()

    def _read(self, key: str) -> bytes | None:
        if key.startswith(f"{BATCHES}/"):
            return self._read_manifest(key.split("/")[1])
        path = self.folder / key
        if path.exists():
            return path.read_bytes()
        raw = self._bucket.read(key)
        if raw is not None and not key.startswith(SCHEMAS):  # the other names are of the content
            with named_errors(path.parent, "made"):
                path.parent.mkdir(exist_ok=True)
            write_bytes_atomically(path, raw)
        return raw

    def _read_manifest(self, batch_id: str) -> bytes | None:
        """The bytes of a manifest, from the cache where they name an upload that was listed."""
        path = self._batches / batch_id / MANIFEST
        raw = path.read_bytes() if path.exists() else b""
        if f"{upload_name(raw)}/{STEPS}" not in self._listing.get(batch_id, ()):
            raw = self._bucket.read(manifest_key(batch_id))
        if raw is not None:
            self._keep_manifest(batch_id, raw)
        return raw

    def _keep_manifest(self, batch_id: str, raw: bytes) -> None:
        path = self._batches / batch_id / MANIFEST
        if not path.exists() or path.read_bytes() != raw:
            self._cache.forget(batch_id)
            with named_errors(path, "written"), temporary_beside(path) as aside:
                path.parent.mkdir(exist_ok=True)
                aside.write_bytes(raw)  # not synced: its digest is checked whenever it is used
                aside.replace(path)
        self._uploads[batch_id] = upload_name(raw)

    def _download(self, batch: Batch, upload: str, name: str, path: Path | None) -> None:
        key, digest = _data_key(batch.id, upload, name), batch.digests.get(name, "")
        current = self._bucket.download(key, path)
        if current != digest:
            raise DatasetError(
                f"{self.place}/{key} was changed: its XXH3 is {current[:16]}, but was {digest[:16]}"
            )


def _data_key(batch_id: str, upload: str, name: str) -> str:
    return f"{BATCHES}/{batch_id}/{upload}/{name}"
