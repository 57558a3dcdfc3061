"""Where a dataset lies: what a store needs of a folder or of a bucket.

    schemas/<fingerprint>.json                  the layout of a step, and the task's facts beside it
    facts/<time>-<digest>.json                  a later change of the facts (schemas.py)
    batches/<id>/batch.json                     a batch's manifest, and beside it its data files
    excluded/<time>-<digest>.json               tombstones: what later snapshots leave out (exclusion.py)
    quarantine/<digest>.json                    what was not taken, and why (quarantine.py)

Nothing is ever written twice. A key is a name in this tree.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ..errors import DatasetError
from ..files import parse_json, parse_model
from ..records.batch import Batch
from .tables import EPISODES, STEPS

SCHEMAS, FACTS, BATCHES, EXCLUDED, QUARANTINE = "schemas", "facts", "batches", "excluded", "quarantine"
ROOMS = (SCHEMAS, FACTS, BATCHES, EXCLUDED, QUARANTINE)
MANIFEST = "batch.json"
FILES = (STEPS, EPISODES)


class Backend(Protocol):
    """A place that keeps a dataset. Every method raises DatasetError where it cannot be used.

    Attributes:
      place: what sentences call it.
      folder: a local folder, in whose `batches` new batches are written aside.
    """

    folder: Path

    @property
    def place(self) -> str:
        """The folder's path, or the bucket's URL."""
        ...

    def names(self, room: str) -> list[str]:
        """The names in a room, sorted: of its files, or in `batches` the ids of the batches."""
        ...

    def read(self, keys: Sequence[str]) -> list[bytes | None]:
        """The content of small files, manifests among them; None for what is not there."""
        ...

    def create(self, key: str, raw: bytes) -> bool:
        """Add a small file, which is on the disk when this returns; False where there is one already."""
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
