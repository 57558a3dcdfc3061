"""Small files that are either whole or not there, and names for folders still being written.

Everything pacloop records (manifests, rounds, the champion's pointer) goes through here. A reader
sees the old content or the new one, never a mixture, whatever is killed and whenever.
"""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from xxhash import xxh3_128 as file_hash

from .errors import DatasetError

T = TypeVar("T")

_TEMPORARY = re.compile(r"^\.(?P<name>.+)\.(?P<host>[A-Za-z0-9_-]+)\.(?P<pid>\d+)-[0-9a-f]{8}\.tmp$")

# What this process writes now: a leftover may carry our own process id where containers restart.
_in_flight: set[str] = set()


def write_bytes_atomically(path: Path | str, data: bytes) -> None:
    """Replace the file at `path` by `data`, synced to the disk before and after the rename.

    Raises DatasetError, and leaves the old file as it was, where the disk is full or access is denied.
    """
    with replacing(Path(path)) as aside:
        aside.write_bytes(data)


def write_json_atomically(path: Path | str, data: Any) -> None:
    """Replace the file at `path` by `data` as strict, readable JSON; numpy scalars and arrays are welcome.

    Raises DatasetError where `data` is not JSON (NaN and infinity are not), or cannot be written.
    """
    write_bytes_atomically(path, json_bytes(path, data))


def json_bytes(path: Path | str, data: Any) -> bytes:
    """What `write_json_atomically` writes to `path`. Raises DatasetError where `data` is not JSON."""
    try:
        text = json.dumps(data, indent=2, allow_nan=False, default=plain)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{path} was not written: its content is not JSON ({error})") from None
    return text.encode() + b"\n"


def read_json(path: Path | str) -> Any:
    """The content of a JSON file. Raises DatasetError, naming the file, where it is missing or broken."""
    with named_errors(path, "read"):
        raw = Path(path).read_bytes()
    return parse_json(path, raw)


def parse_json(path: Path | str, raw: bytes) -> Any:
    """The content of what was read from `path`. Raises DatasetError where it is not JSON."""
    try:
        return json.loads(raw)
    except ValueError as error:
        raise DatasetError(f"{path} is not valid JSON: {error}") from None


def sync(path: Path) -> None:
    """Sync a file, or a folder so that the names created or renamed in it outlive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def in_background(work: Callable[..., T], *arguments: Any) -> Future[T]:
    """Run `work` on a thread that is there already: to start one takes longer than to sync a small file."""
    return _threads(os.getpid()).submit(work, *arguments)


@cache
def _threads(process: int) -> ThreadPoolExecutor:
    """Of this process: a fork has none of its parent's threads."""
    return ThreadPoolExecutor(4, "pacloop-datasets")


def digest_of(path: Path) -> str:
    """XXH3 of a file's bytes, 128 bits in hex. Raises DatasetError where it cannot be read."""
    with named_errors(path, "read"), path.open("rb") as file:
        return hashlib.file_digest(file, file_hash).hexdigest()


@contextmanager
def named_errors(path: Path | str, verb: str) -> Iterator[None]:
    """Turn an OSError inside into a DatasetError: `<path> cannot be <verb>: no space left on device`."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise DatasetError(f"{path} cannot be {verb}: {reason}") from error


@contextmanager
def replacing(path: Path, *, parents: bool = False) -> Iterator[Path]:
    """A name to write to; what is written takes the place of `path`, synced, when all went well.

    With `parents` its folder is made where there is none. Raises DatasetError, and leaves `path` as it was,
    where the disk is full or access is denied.
    """
    with temporary_beside(path) as aside, named_errors(path, "written"):
        try:
            if parents:
                path.parent.mkdir(parents=True, exist_ok=True)
            yield aside
            sync(aside)
            aside.replace(path)
            sync(path.parent)
        except BaseException:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            raise


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """A hidden name in `path`'s folder that says who writes it: `.<name>.<host>.<pid>-<random>.tmp`.

    Creates nothing and removes nothing. While inside, `writer_is_gone` knows that the name is in use.
    """
    name = f".{path.name}.{_host()}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    _in_flight.add(name)
    try:
        yield path.with_name(name)
    finally:
        _in_flight.discard(name)


def is_temporary(name: str) -> bool:
    """Whether `name` is one that `temporary_beside` gives out."""
    return _TEMPORARY.match(name) is not None


def writer_is_gone(name: str) -> bool | None:
    """Whether the writer of a temporary name is dead; None where it ran on another host."""
    match = _TEMPORARY.match(name)
    if match is None:
        raise DatasetError(f"{name} is no temporary name of pacloop")
    if match["host"] != _host():
        return None
    pid = int(match["pid"])
    if pid == os.getpid():
        return name not in _in_flight
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError as error:
        return error.errno != errno.EPERM
    return False


def remove_dead(paths: Iterable[Path]) -> list[str]:
    """Remove those of `paths` that writers of this host who are dead were writing; their names."""
    removed = []
    for path in paths:
        if is_temporary(path.name) and writer_is_gone(path.name):
            with named_errors(path, "removed"):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            removed.append(path.name)
    return removed


def plain(value: Any) -> Any:
    """`json.dumps`'s default: numpy scalars and arrays as numbers and lists, paths as text."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "_", socket.gethostname()) or "localhost"
