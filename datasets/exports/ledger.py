"""What an export folder holds: the file of each batch that was exported.

The ledger is replaced atomically after a file is there. So an export that was killed finds its own work,
and one that has nothing new does nothing.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ..errors import DatasetError
from ..files import is_temporary, named_errors, parse_model, read_json, write_bytes_atomically
from ..records.schema import Schema
from ..store.store import EpisodeStore

LEDGER = ".pacloop-export.json"
VERSION = 1


class Shard(BaseModel):
    """One exported batch; the defaults are those of a shard that a later one replaced.

    Attributes:
      digest: of the batch's content.
      excluded: ids of its episodes that were left out, sorted.
      file: path within the folder; "" where no episode was left to export.
      bytes: the file's size.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: str = ""
    digest: str = ""
    excluded: tuple[str, ...] = ()
    file: str = ""
    episodes: int = 0
    bytes: int = 0


class Ledger(BaseModel):
    """The shards of an export folder, in the order in which they were written."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    version: int = VERSION
    format: str
    schema_: Schema = Field(alias="schema")  # pydantic has a method of that name
    shards: tuple[Shard, ...]

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
        return Ledger(format=format, schema=store.schema, shards=())
    ledger = parse_model(Ledger, read_json(path), path)
    if ledger.format != format:
        raise DatasetError(f"{folder} is an export to {ledger.format}, not to {format}; name another folder")
    difference = ledger.schema_.difference(store.schema)
    if difference is not None:
        raise DatasetError(f"{folder} is an export of another schema: {difference}; name another folder")
    return ledger


def write_ledger(folder: Path, ledger: Ledger) -> None:
    """Replace the ledger of `folder`."""
    # in one line: an indented file would take ten times as long, which thousands of shards would feel
    write_bytes_atomically(folder / LEDGER, ledger.model_dump_json().encode() + b"\n")
