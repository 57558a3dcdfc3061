"""What an export folder holds: the file of each batch that was exported.

The ledger is replaced atomically after a file is there. So an export that was killed finds its own work,
and one that has nothing new does nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from ..files import (
    Strict,
    is_temporary,
    named_errors,
    parse_model,
    read_json,
    to_json,
    write_bytes_atomically,
)
from ..imports.readers.parquet import LEDGER
from ..records.schema import Schema
from ..store.store import EpisodeStore

VERSION = 1


@dataclass(frozen=True)
class Shard(Strict):
    """One exported batch; the defaults are those of a shard that a later one replaced.

    Attributes:
      digest: of the batch's content.
      excluded: ids of its episodes that were left out, sorted.
      file: path within the folder; "" where no episode was left to export.
    """

    batch: str = ""
    digest: str = ""
    excluded: tuple[str, ...] = ()
    file: str = ""
    episodes: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Ledger(Strict):
    """The shards of an export folder, in the order in which they were written.

    Attributes:
      total: what the format must know of all shards together; None where it needs nothing.
    """

    format: str
    schema: Schema
    shards: tuple[Shard, ...] = ()
    total: Mapping[str, Any] | None = None
    version: int = VERSION

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
    or episodes of another schema.
    """
    path = folder / LEDGER
    if not path.exists():
        with named_errors(folder, "listed"):
            foreign = [path.name for path in folder.iterdir() if not is_temporary(path.name)]
        if foreign:
            raise DatasetError(
                f"{folder} has files that are no export of pacloop's (e.g. {foreign[0]}); name another folder"
            )
        return Ledger(format, store.schema)
    ledger = parse_model(Ledger, read_json(path), path)
    if ledger.format != format:
        raise DatasetError(f"{folder} is an export to {ledger.format}, not to {format}; name another folder")
    difference = ledger.schema.difference(store.schema)
    if difference is not None:
        raise DatasetError(f"{folder} is an export of another schema: {difference}; name another folder")
    return ledger


def write_ledger(folder: Path, ledger: Ledger) -> None:
    """Replace the ledger of `folder`."""
    # in one line: an indented file would take ten times as long, which thousands of shards would feel
    write_bytes_atomically(folder / LEDGER, to_json(LEDGER, ledger).encode() + b"\n")
