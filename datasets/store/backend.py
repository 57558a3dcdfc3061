"""Where a dataset lies: what a store needs of a folder or of a bucket, and the small records in it.

    schemas/<fingerprint>.json                  the layout of a step, and the task's facts beside it
    schemas/first                               the same, by whoever made the dataset (schemas.py)
    facts/<time>-<digest>.json                  a later change of the facts (schemas.py)
    batches/<id>/batch.json                     a batch's manifest, and beside it its data files
    contents/<digest>                           id and origin of the one batch of this content (commit.py)
    excluded/<time>-<digest>.json               tombstones: what later snapshots leave out (exclusion.py)
    quarantine/<digest>.json                    what was not taken, and why (quarantine.py)

Nothing is ever written twice. A key is a name in this tree. Records named by a time hold in its order; the
digest in their names says what their content must be, and keeps two writers apart.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from ..errors import DatasetError
from ..files import fingerprint, json_bytes, parse_json, parse_model
from ..records.batch import Batch
from .tables import EPISODES, STEPS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SCHEMAS, FACTS, BATCHES, EXCLUDED, QUARANTINE = "schemas", "facts", "batches", "excluded", "quarantine"
CONTENTS = "contents"
ROOMS = (SCHEMAS, FACTS, BATCHES, CONTENTS, EXCLUDED, QUARANTINE)
MANIFEST = "batch.json"
FILES = (STEPS, EPISODES)

T = TypeVar("T")


class Backend(Protocol):
    """A place that keeps a dataset. Every method raises DatasetError where it cannot be used.

    Attributes:
      folder: a local folder, in whose `batches` new batches are written aside.
      place: what sentences call it: the folder's path, or the bucket's URL.
      local: whether the dataset lies in `folder`, which else holds copies only.
    """

    folder: Path
    place: str
    local: bool

    def names(self, room: str) -> list[str]:
        """The names in a room, sorted: of its files, or in `batches` the ids of the batches."""
        ...

    def read(self, keys: Sequence[str]) -> list[bytes | None]:
        """The content of small files, manifests among them; None for what is not there."""
        ...

    def create(self, key: str, raw: bytes, *, synced: bool = True) -> bool:
        """Add a small file, which is on the disk when this returns, if `synced`; False where there is one."""
        ...

    def publish(self, aside: Path, batch: Batch) -> None:
        """Commit the batch whose files lie in `aside`, unless one of its id is committed already.

        This is one atomic step: a crash leaves the whole batch or nothing.
        """
        ...

    def file(self, batch: Batch, name: str) -> Path:
        """A data file of a committed batch, where it can be mapped."""
        ...

    def fetch(self, batches: Sequence[Batch], *, again: bool = False) -> None:
        """Have the data files of these batches at hand, and keep them until others are fetched.

        With `again` they are fetched as they are now, whatever is at hand, and keep nothing from making way.
        """
        ...

    def leftovers(self) -> list[str]:
        """A sentence for each thing that writers have left half done."""
        ...

    def clean(self) -> list[str]:
        """Remove what writers that are known to be dead have left half done; the names."""
        ...


def manifest_key(batch_id: str) -> str:
    """Where a batch's manifest lies."""
    return f"{BATCHES}/{batch_id}/{MANIFEST}"


def no_batch(place: object, batch_id: str) -> str:
    """What is wrong with the folder of a batch whose manifest is missing, as where a restore was cut off."""
    return f"{place}/{BATCHES}/{batch_id} has no {MANIFEST}, so it is no batch: remove it"


def parse_manifest(backend: Backend, batch_id: str, raw: bytes, schema: str) -> Batch:
    """The manifest of a batch, as it was read.

    Raises DatasetError where it is broken, of another version or schema, or of a batch of another id.
    """
    path = f"{backend.place}/{manifest_key(batch_id)}"
    batch = parse_model(Batch, parse_json(path, raw), path)
    if batch.id != batch_id:
        raise DatasetError(f"{path} says id {batch.id!r}, but lies under {batch_id!r}")
    if batch.schema != schema:
        raise DatasetError(f"{path} is of another schema, {batch.schema[:16]}, than the store, {schema[:16]}")
    return batch


def read_room(backend: Backend, room: str, model: type[T]) -> dict[str, T]:
    """All records of a room by the names of their files, sorted. Raises DatasetError for a broken one."""
    names, records = backend.names(room), {}
    for name, raw in zip(names, backend.read([f"{room}/{name}" for name in names])):
        path, digest = f"{backend.place}/{room}/{name}", name.removesuffix(".json").rpartition("-")[2]
        if raw is None:
            continue
        if room in (FACTS, EXCLUDED) and fingerprint(raw)[:12] != digest:
            raise DatasetError(f"{path} was changed: its content does not fit its name")
        records[name] = parse_model(model, parse_json(path, raw), path)
    return records


def now_after(earlier: str) -> datetime:
    """The time now; later than `earlier`, an ISO time or "", also where a clock was ahead then."""
    now = datetime.now(UTC)
    return max(now, datetime.fromisoformat(earlier) + timedelta(microseconds=1)) if earlier else now


def append_record(backend: Backend, room: str, record: "DataclassInstance") -> None:
    """Add a record to a room of those named by a time, with now as its `since`."""
    now = now_after(max(backend.names(room), default="").partition("-")[0])  # than all it may answer
    raw = json_bytes(room, replace(record, since=now.isoformat(timespec="microseconds")))
    backend.create(f"{room}/{now:%Y%m%dT%H%M%S.%fZ}-{fingerprint(raw)[:12]}.json", raw)
