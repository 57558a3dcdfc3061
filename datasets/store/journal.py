"""Records that hold in the order of their times: small files, each written once and never changed.

    <room>/<time>-<digest>.json

So two writers never write the same file, and each record says by its name what its content must be.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from ..errors import DatasetError
from ..files import fingerprint, json_bytes, parse_json, parse_model
from .backend import Backend


class Dated(Protocol):
    """A record that says when it was written."""

    @property
    def since(self) -> str:
        """ISO time, UTC."""
        ...


T = TypeVar("T", bound=Dated)


def read_journal(backend: Backend, room: str, model: type[T]) -> dict[str, T]:
    """All records of a room by their files' names, oldest first. Raises DatasetError for a broken one."""
    names = backend.names(room)
    contents = backend.read([f"{room}/{name}" for name in names])
    return {
        name: _parse(f"{backend.place}/{room}/{name}", model, raw)
        for name, raw in zip(names, contents)
        if raw is not None
    }


def append_record(backend: Backend, room: str, model: type[T], make: Callable[[str], T]) -> None:
    """Add the record that `make` makes of its time."""
    now = datetime.now(UTC)
    if earlier := list(read_journal(backend, room, model).values()):
        # Later than all it may answer, also where another host's clock is ahead.
        now = max(now, datetime.fromisoformat(earlier[-1].since) + timedelta(microseconds=1))
    raw = json_bytes(room, make(now.isoformat(timespec="microseconds")))
    backend.create(f"{room}/{now:%Y%m%dT%H%M%S.%fZ}-{fingerprint(raw)[:12]}.json", raw)


def _parse(path: str, model: type[T], raw: bytes) -> T:
    if fingerprint(raw)[:12] != path.removesuffix(".json").rpartition("-")[2]:
        raise DatasetError(f"{path} was changed: its content does not fit its name")
    return parse_model(model, parse_json(path, raw), path)
