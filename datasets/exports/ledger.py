"""What an export folder holds: the file of each batch that was exported.

The ledger is replaced atomically after a file is there. So an export that was killed finds its own work,
and one that has nothing new does nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from ..files import is_temporary, named_errors, parse_model, plain, read_json, write_bytes_atomically
from ..records.schema import Schema
from ..store.store import EpisodeStore
from .folder import clean

LEDGER = ".pacloop-export.json"
VERSION = 1


@dataclass(frozen=True)
class Shard:
    """One exported batch.

    Attributes:
      batch: its id; "" where the shard was replaced by a later one.
      digest: its content digest.
      excluded: ids of its episodes that were left out, sorted.
      file: the file's path within the folder; "" where no episode was left to export.
      episodes: episodes in the file.
      bytes: the file's size.
    """

    batch: str
    digest: str
    excluded: tuple[str, ...]
    file: str
    episodes: int
    bytes: int


@dataclass(frozen=True)
class Ledger:
    """The shards of an export folder, in the order in which they were written."""

    format: str
    schema: Schema
    shards: tuple[Shard, ...] = ()

    def of_batch(self, batch_id: str) -> Shard | None:
        """The shard that holds a batch now; None where it was not exported yet."""
        return next((shard for shard in self.shards if shard.batch == batch_id), None)

    def added(self, shard: Shard) -> "Ledger":
        """The ledger with one shard more, which replaces an earlier one of the same batch, if any."""
        gone = Shard("", "", (), "", 0, 0)
        kept = [gone if old.batch == shard.batch else old for old in self.shards]
        return replace(self, shards=(*kept, shard))

    @property
    def episodes(self) -> int:
        """Episodes in all shards."""
        return sum(shard.episodes for shard in self.shards)

    @property
    def bytes(self) -> int:
        """Bytes of all shards."""
        return sum(shard.bytes for shard in self.shards)


def read_ledger(folder: Path, format: str, store: EpisodeStore) -> Ledger:
    """The ledger of `folder`, empty where there is nothing yet.

    Raises DatasetError where the folder holds something else: no export of pacloop's, another format,
    or episodes of another schema or another dataset.
    """
    path = folder / LEDGER
    if not path.exists():
        with named_errors(folder, "listed"):
            strangers = [path for path in folder.iterdir() if not is_temporary(path.name)]
        if strangers:
            raise DatasetError(
                f"{folder} has files that are no export of pacloop's (e.g. {strangers[0].name}); "
                "name another folder"
            )
        return Ledger(format, store.schema)
    found = _parse(path, read_json(path))
    if found.format != format:
        raise DatasetError(f"{folder} is an export to {found.format}, not to {format}; name another folder")
    difference = found.schema.difference(store.schema)
    if difference is not None:
        raise DatasetError(f"{folder} is an export of another schema: {difference}; name another folder")
    return found


def begin(folder: Path, ledger: Ledger) -> None:
    """Make the folder an export's, if it is none yet, and remove what killed exports left half-written."""
    if not (folder / LEDGER).exists():
        write_ledger(folder, ledger)
    clean(folder)


def write_ledger(folder: Path, ledger: Ledger) -> None:
    """Replace the ledger of `folder`."""
    data = {
        "version": VERSION,
        "format": ledger.format,
        "schema": ledger.schema,
        "shards": [vars(shard) for shard in ledger.shards],
    }
    # in one line: an indented file would take ten times as long, which thousands of shards would feel
    write_bytes_atomically(folder / LEDGER, json.dumps(data, default=plain).encode() + b"\n")


def _parse(path: Path, data: Any) -> Ledger:
    version = data.get("version") if isinstance(data, Mapping) else None
    if version != VERSION:
        raise DatasetError(f"{path} has version {version}, but this pacloop reads version {VERSION}")
    try:
        shards = tuple(_shard(entry) for entry in data["shards"])
        return Ledger(data["format"], parse_model(Schema, data["schema"], path), shards)
    except (KeyError, TypeError) as error:
        raise DatasetError(f"{path} is no ledger of an export ({error!r})") from None


def _shard(entry: Mapping[str, Any]) -> Shard:
    return Shard(**{**entry, "excluded": tuple(entry["excluded"])})
