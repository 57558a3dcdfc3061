"""Small files that are either whole or not there, and names for folders still being written.

Everything pacloop records (manifests, rounds, the champion's pointer) goes through here. A reader
sees the old content or the new one, never a mixture, whatever is killed and whenever.
"""

import dataclasses
import fcntl
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from blake3 import blake3
from xxhash import xxh3_128 as file_hash

from .errors import DatasetError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")

_TEMPORARY = re.compile(r"^\..+\.(?P<host>[A-Za-z0-9_-]+)\.\d+-[0-9a-f]{8}\.tmp$")


class Strict:
    """A dataclass of which `parse_model` refuses unknown fields."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}


def write_bytes_atomically(path: Path | str, data: bytes) -> None:
    """Replace the file at `path` by `data`; `replacing` says how."""
    with replacing(Path(path)) as aside:
        aside.write_bytes(data)


def write_json_atomically(path: Path | str, data: Any) -> None:
    """Replace the file at `path` by `data` as `json_bytes` gives it."""
    write_bytes_atomically(path, json_bytes(path, data))


def create_file(path: Path, raw: bytes, *, synced: bool = True) -> bool:
    """Write a small file whole, unless there is one already: False then. Raises DatasetError."""
    with named_errors(path, "written"), temporary_beside(path) as aside:
        aside.write_bytes(raw)
        if synced:
            sync(aside)
        try:
            os.link(aside, path)
        except FileExistsError:
            return False
        if synced:
            sync(path.parent)
    return True


def json_bytes(path: Path | str, data: Any) -> bytes:
    """`data` as strict, readable JSON for the file at `path`; numpy, records and paths are welcome.

    Raises DatasetError where `data` is not JSON (NaN and infinity are not).
    """
    return to_json(f"{path} was not written: its content", data, indent=2).encode() + b"\n"


def canonical(name: str, data: Any) -> str:
    """`data` as JSON with its keys in order: the same for equal data. Raises as `to_json` does."""
    return to_json(name, data, sort_keys=True)


def to_json(name: str, data: Any, **options: Any) -> str:
    """`data` as JSON, with options of `json.dumps`. Raises DatasetError, naming it `name`, if it is none."""
    try:
        return json.dumps(data, allow_nan=False, default=_plain, **options)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{name} is not JSON ({error})") from None


def fingerprint(data: Any) -> str:
    """BLAKE3 of bytes, or of the canonical JSON of anything else, in hex: equal for equal data only."""
    raw = data if isinstance(data, bytes) else canonical("what is fingerprinted", data).encode()
    return blake3(raw).hexdigest()


def read_json(path: Path | str) -> Any:
    """The content of a JSON file. Raises DatasetError, naming the file, where it is missing or broken."""
    with named_errors(path, "read"):
        raw = Path(path).read_bytes()
    return parse_json(path, raw)


def parse_json(path: Path | str, raw: bytes) -> Any:
    """The content of what was read from `path`. Raises DatasetError where it is not JSON."""
    try:
        return json.loads(raw, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not valid JSON: {error}") from None


def _finite(text: str) -> float:
    """A number of JSON, which knows neither NaN nor infinity; Python would read both."""
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text:.20} is no finite number")
    return number


def parse_model(model: type[T], data: Any, path: Path | str) -> T:
    """What was read from `path`, as a pydantic model or a dataclass, checked by its types.

    Raises DatasetError where it is of another version than the model's default, and for the first field that
    is wrong.
    """
    from pydantic import ValidationError

    fields: Any = getattr(model, "model_fields", None) or getattr(model, "__dataclass_fields__", {})
    if isinstance(data, Mapping) and "version" in fields:
        version, known = data.get("version"), fields["version"].default
        if version != known:
            found = "none" if version is None else f"{version!r:.80}"
            raise DatasetError(f"{path}: version is {found}, but this pacloop reads {known}")
    try:
        return _adapter(model).validate_python(data)
    except ValidationError as error:
        raise DatasetError(f"{path}: {first_fault(error)}") from None


def first_fault(error: "ValidationError") -> str:
    """What pydantic says of the first field that is wrong, in one sentence without a full stop."""
    fault = error.errors()[0]
    field, wanted = ".".join(map(str, fault["loc"])).removesuffix(".[key]"), fault["msg"]
    field = f"{' '.join(field.split()):.80}"
    if fault["type"] == "missing":
        return f"{field} is missing"
    if fault["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{field} is unknown"
    if fault["type"] == "value_error":
        return f"{field}: {wanted}".removeprefix(": ").replace("Value error, ", "")
    wanted = re.sub(r" or an instance of \w+$", "", wanted.replace("Input should", "must"))
    return f"{field or 'its content'} is {fault['input']!r:.80}, but {wanted}"


@cache
def _adapter(model: type[T]) -> "TypeAdapter[T]":
    from pydantic import TypeAdapter

    return TypeAdapter(model)


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
    return ThreadPoolExecutor(4, "pacloop-datasets")  # for each process: a fork has no threads of its parent


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
def replacing(path: Path, *, parents: bool = False, cached: bool = False) -> Iterator[Path]:
    """A name to write to; what is written takes the place of `path`, synced, when all went well.

    With `parents` its folder is made where there is none. What is `cached` may be gone after a power cut, but
    is never half there. Raises DatasetError, and leaves `path` as it was,
    where the disk is full or access is denied.
    """
    with named_errors(path, "written"):
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_beside(path) as aside:
            yield aside
            sync(aside)
            aside.replace(path)
            if not cached:
                sync(path.parent)


@contextmanager
def temporary_beside(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """A new hidden file or folder beside `path`, which is removed again where it was not renamed.

    Its name says who writes it, `.<name>.<host>.<pid>-<random>.tmp`. While inside it is locked, by which
    `remove_dead` spares it: also in another container, where a process id means another process. Raises
    OSError where it cannot be made.
    """
    aside = path.with_name(f".{path.name}.{_host()}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    while True:
        if folder:
            aside.mkdir(exist_ok=True)
        try:
            handle = os.open(aside, os.O_RDONLY if folder else os.O_RDONLY | os.O_CREAT)
        except FileNotFoundError:
            if not folder:
                raise
            continue
        with suppress(OSError):  # a file system without locks: there nobody knows who lives
            fcntl.flock(handle, fcntl.LOCK_SH)
        if aside.exists():
            break
        os.close(handle)  # somebody took it for a dead writer's before it was locked, as above
    try:
        yield aside
    finally:
        with suppress(OSError):
            shutil.rmtree(aside, ignore_errors=True) if folder else aside.unlink(missing_ok=True)
        os.close(handle)


def is_temporary(name: str) -> bool:
    """Whether `name` is one that `temporary_beside` gives out."""
    return _TEMPORARY.match(name) is not None


def writer_is_dead(path: Path, *, remove: bool = False) -> bool | None:
    """Whether the writer of a temporary file or folder is dead; None where unknown, as of another host's.

    What a dead writer left is removed on demand, while no writer can take up the name. Raises DatasetError
    where it cannot be removed.
    """
    match = _TEMPORARY.match(path.name)
    if match is None or match["host"] != _host():
        return None
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if remove:
            with named_errors(path, "removed"):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    finally:
        os.close(handle)
    return True


def remove_dead(paths: Iterable[Path]) -> list[str]:
    """Remove those of `paths` that writers of this host who are dead were writing; their names."""
    return [path.name for path in paths if writer_is_dead(path, remove=True)]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return vars(value)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "_", socket.gethostname()) or "localhost"
