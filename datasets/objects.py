"""An object store (S3 and its like) as a run needs it: whole objects, and errors in one sentence.

Everything rests on two requests of the store: `create` fails where the object exists already, whoever made
it (`If-None-Match: *`), and `replace` fails where it is no longer the one that was seen (`If-Match`).
Credentials come from the environment or the machine's role, and go nowhere else.
"""

import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import DatasetError
from .files import file_hash

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ClientConfig, RetryConfig

SCHEMES = ("s3", "gs", "az")

RETRY: "RetryConfig" = {"max_retries": 8, "retry_timeout": timedelta(seconds=60)}
"""Twenty seconds of an absent server, as the pauses double from 0.1 s."""
CLIENT: "ClientConfig" = {
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(seconds=30),  # of silence
    "timeout": timedelta(minutes=10),  # of one request with its body: 64 MiB at 0.1 MB/s
}

CUT_PAUSES_SEC = (0.1, 0.4, 1.6, 6.4)
"""Between the tries of a read whose answer is cut off."""

R = TypeVar("R")

_URL = re.compile(rf"({'|'.join(SCHEMES)})://[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._/-]*)?")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_ROLE = "169.254."  # where the library asks for the machine's role, having found no credentials


Version = Mapping[str, str]
"""What tells one content of an object from another, as the store calls it."""


@dataclass(frozen=True)
class Object:
    """An object as it was read: its content, which of its contents that is, and when it was written.

    The time is by the store's clock.
    """

    raw: bytes
    version: Version
    written: datetime


def check_url(url: str) -> str:
    """The URL of a bucket. Raises DatasetError where it is none; what may be a secret is not quoted."""
    if set(url) & set("@?#"):
        raise DatasetError(
            "the url of a bucket must hold no name, password or signature: set AWS_ACCESS_KEY_ID and the like"
        )
    if not _URL.fullmatch(url):
        raise DatasetError(f"{url!r} is no url of a bucket, which would be s3://bucket/prefix, or gs, or az")
    return url


def _read_whole(read: Callable[..., R]) -> Callable[..., R]:
    """A read that begins anew where its answer was cut off: the library sends a request again, but not
    what came of it halfway."""

    @wraps(read)
    def whole(*arguments: Any) -> R:
        for pause_sec in CUT_PAUSES_SEC:
            try:
                return read(*arguments)
            except _Cut:
                time.sleep(pause_sec)
        return read(*arguments)

    return whole


class Bucket:
    """The objects under one URL. Every method raises DatasetError where the store cannot be used."""

    def __init__(self, url: str) -> None:
        """Open a URL; no request is made yet. Raises DatasetError where it is none of `SCHEMES`."""
        check_url(url)
        from obstore.store import from_url

        self.url = url.rstrip("/")
        endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or ""
        plain: ClientConfig = {"allow_http": True} if endpoint.startswith("http://") else {}
        with self._named_errors("", "opened"):
            self._store: Any = from_url(self.url, client_options=CLIENT | plain, retry_config=RETRY)

    def create(self, key: str, raw: bytes) -> bool:
        """Make an object, unless there is one with another content: False then."""
        return self.replace(key, raw, None) is not None

    def check_conditions(self) -> None:
        """Raise DatasetError where the store overwrites what it should create, or replace as it was seen."""
        key = f"conditions-{secrets.token_hex(8)}"
        try:
            first = self.replace(key, b"1", None)
            if self.create(key, b"2") or not self.replace(key, b"3", first) or self.replace(key, b"4", first):
                raise DatasetError(
                    f"{self.url} overwrites what it should create only (If-None-Match), "
                    "or replace only as it was seen (If-Match): use another store"
                )
        finally:
            self.delete([key])

    def replace(self, key: str, raw: bytes, seen: Version | None) -> Version | None:
        """Write an object that is still the one `seen`, or that there is none of where that is None.

        Returns its new version; None, and leaves the object alone, where somebody else has written it. A
        request that was answered too late was sent again, and finds its own work.
        """
        mode: Any = dict(seen) if seen else "create"
        try:
            with self._named_errors(key, "written"):
                return _version(self._store.put(key, raw, mode=mode))
        except (_Exists, _Missing):
            current = self.fetch(key)
            return current.version if current and current.raw == raw else None

    def upload(self, path: Path, key: str) -> None:
        """Make an object of a file."""
        with self._named_errors(key, "written"):
            self._store.put(key, path)

    def read(self, key: str) -> bytes | None:
        """An object's content; None where there is none."""
        current = self.fetch(key)
        return current.raw if current else None

    @_read_whole
    def fetch(self, key: str) -> Object | None:
        """An object's content with its version; None where there is none."""
        try:
            with self._named_errors(key, "read"):
                result = self._store.get(key)
                return Object(bytes(result.bytes()), _version(result.meta), result.meta["last_modified"])
        except _Missing:
            return None

    @_read_whole
    def download(self, key: str, path: Path | None) -> str:
        """Read an object into a file, or nowhere; the digest of what came, as `digest_of` gives it."""
        digest = file_hash()
        with self._named_errors(key, "read"), (path or Path(os.devnull)).open("wb") as file:
            for chunk in self._store.get(key).stream():
                digest.update(chunk)
                file.write(chunk)
        return digest.hexdigest()

    @_read_whole
    def list(self, under: str) -> "dict[str, ObjectMeta]":
        """The objects whose keys begin with the folder `under`, each with its `e_tag` and `last_modified`."""
        with self._named_errors(under, "listed"):
            return {meta["path"]: meta for chunk in self._store.list(under) for meta in chunk}

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are gone already do not matter."""
        with self._named_errors("", "cleaned"):
            self._store.delete(keys)

    def place(self, key: str) -> str:
        """What sentences call an object."""
        return f"{self.url}/{key}".rstrip("/")

    @contextmanager
    def _named_errors(self, key: str, verb: str) -> Iterator[None]:
        from obstore import exceptions

        try:
            yield
        except (exceptions.BaseError, FileNotFoundError) as error:
            kind = DatasetError
            if isinstance(error, exceptions.AlreadyExistsError | exceptions.PreconditionError):
                kind = _Exists
            elif isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error):
                kind = _Missing
            elif "response body" in str(error):
                kind = _Cut
            raise kind(f"{self.place(key)} cannot be {verb}: {_reason(error)}") from error


class _Exists(DatasetError):
    """There is such an object, or another one than was asked for."""


class _Missing(DatasetError):
    """There is no such object."""


class _Cut(DatasetError):
    """The connection broke in the middle of an answer."""


def _version(facts: Mapping[str, Any]) -> Version:
    return {name: facts[name] for name in ("e_tag", "version") if facts.get(name)}


def _reason(error: Exception) -> str:
    from obstore import exceptions

    text = str(error)
    code = match[1] if (match := _CODE.search(text)) else ""
    if code == "NoSuchBucket":
        return "there is no such bucket"
    if _ROLE in text:
        return (
            "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or the store's own), "
            "or give this machine a role"
        )
    denied = isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError)
    if denied or code == "AccessDenied":  # who lists gets no error of its own kind
        return f"access denied ({code or 'no reason given'})"
    if isinstance(error, FileNotFoundError):
        return "there is no such object"
    if lost := re.search(r"after (\d+) retries.* - (.*)", text):
        return f"no answer after {lost[1]} retries ({code or lost[2].strip()})"
    return code or text.splitlines()[0]
