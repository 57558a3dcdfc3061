"""An object store (S3 and its like) as a dataset needs it: whole objects, and errors in one sentence.

Everything rests on one request of the store: `create` fails where the object exists already, whoever made
it (`If-None-Match: *`). Credentials come from the environment or the machine's role, and go nowhere else.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import DatasetError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

SCHEMES = ("s3", "gs", "az")

RETRY: "RetryConfig" = {"max_retries": 8, "retry_timeout": timedelta(seconds=60)}
"""Twenty seconds of an absent server, as the pauses double from 0.1 s."""
CLIENT: "ClientConfig" = {
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(seconds=30),  # of silence
    "timeout": timedelta(minutes=10),  # of one request with its body: 64 MiB at 0.1 MB/s
}

_URL = re.compile(rf"({'|'.join(SCHEMES)})://[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._/-]*)?")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_ROLE = "169.254."  # where the library asks for the machine's role, having found no credentials


class Bucket:
    """The objects under one URL. Every method raises DatasetError where the store cannot be used."""

    def __init__(self, url: str) -> None:
        """Open a URL; no request is made yet. Raises DatasetError where it is none of `SCHEMES`."""
        if "@" in url:
            raise DatasetError(
                "a dataset's url must not hold credentials: set AWS_ACCESS_KEY_ID and the like"
            )
        if not _URL.fullmatch(url):
            raise DatasetError(
                f"{url!r} is no dataset's url, which would be s3://bucket/prefix, or gs, or az"
            )
        from obstore.store import from_url

        self.url = url.rstrip("/")
        endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or ""
        plain: ClientConfig = {"allow_http": True} if endpoint.startswith("http://") else {}
        with self._told("", "opened"):
            self._store: Any = from_url(self.url, client_options=CLIENT | plain, retry_config=RETRY)

    def create(self, key: str, raw: bytes) -> bool:
        """Make an object, unless there is one: False then."""
        import obstore

        try:
            with self._told(key, "written"):
                obstore.put(self._store, key, raw, mode="create")
        except _Exists:
            return False
        return True

    def upload(self, path: Path, key: str) -> None:
        """Make an object of a file."""
        import obstore

        with self._told(key, "written"):
            obstore.put(self._store, key, path)

    def read(self, key: str) -> bytes | None:
        """An object's content; None where there is none."""
        import obstore

        try:
            with self._told(key, "read"):
                return bytes(obstore.get(self._store, key).bytes())
        except _Missing:
            return None

    def download(self, key: str, path: Path | None) -> str:
        """Read an object into a file, or nowhere; the SHA-256 of what came."""
        import obstore

        digest = hashlib.sha256()
        with self._told(key, "read"), (path or Path(os.devnull)).open("wb") as file:
            for chunk in obstore.get(self._store, key).stream():
                digest.update(chunk)
                file.write(chunk)
        return digest.hexdigest()

    def list(self, under: str) -> dict[str, datetime]:
        """The objects whose keys begin with the folder `under`, each with the time it was written."""
        import obstore

        with self._told(under, "listed"):
            return {
                meta["path"]: meta["last_modified"]
                for chunk in obstore.list(self._store, under)
                for meta in chunk
            }

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are gone already do not matter."""
        import obstore

        with self._told("", "cleaned"):
            obstore.delete(self._store, keys)

    def place(self, key: str) -> str:
        """What sentences call an object."""
        return f"{self.url}/{key}".rstrip("/")

    @contextmanager
    def _told(self, key: str, verb: str) -> Iterator[None]:
        from obstore import exceptions

        try:
            yield
        except (exceptions.BaseError, FileNotFoundError) as error:
            kind = DatasetError
            if isinstance(error, exceptions.AlreadyExistsError):
                kind = _Exists
            elif isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error):
                kind = _Missing
            raise kind(f"{self.place(key)} cannot be {verb}: {_reason(error)}") from error


class _Exists(DatasetError):
    """There is such an object."""


class _Missing(DatasetError):
    """There is no such object."""


def _reason(error: Exception) -> str:
    from obstore import exceptions

    text = str(error)
    code = found[1] if (found := _CODE.search(text)) else ""
    if code == "NoSuchBucket":
        return "there is no such bucket"
    if _ROLE in text:
        return (
            "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or the store's own), "
            "or give this machine a role"
        )
    if isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError):
        return f"access denied ({code or 'no reason given'})"
    if isinstance(error, FileNotFoundError):
        return "there is no such object"
    if lost := re.search(r"after (\d+) retries.* - (.*)", text):
        return f"no answer after {lost[1]} retries ({code or lost[2].strip()})"
    return code or text.splitlines()[0]
