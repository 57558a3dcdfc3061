"""A recording that lies elsewhere: in a bucket, or behind a web address."""

import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from ...datasets.errors import DatasetError
from ...datasets.objects import SCHEMES, Bucket

SILENCE_SEC = 30.0
"""A web server that says nothing for so long is given up."""


@contextmanager
def fetched(where: str) -> Iterator[Path]:
    """The path that `where` is, or a copy of what it names as a URL, which is gone afterwards.

    Raises DatasetError where a URL cannot be read.
    """
    scheme, is_url, _ = where.partition("://")
    if not is_url:
        yield Path(where).expanduser()
        return
    if scheme not in (*SCHEMES, "http", "https"):
        raise DatasetError(
            f"{without_secrets(where)} cannot be read: a URL begins with {', '.join(SCHEMES)}, http or https"
        )
    with tempfile.TemporaryDirectory(prefix="pacloop-") as aside:
        target = Path(aside) / (PurePosixPath(unquote(urlsplit(where).path)).name or "recording")
        (_from_bucket if scheme in SCHEMES else _from_web)(where, target)
        yield target


def recorded_url(where: str) -> str:
    """What the record says of `where`: the URL without its secrets, or nothing where it is a path."""
    return without_secrets(where) if "://" in where else ""


def without_secrets(url: str) -> str:
    """A URL without what may be a password or a signature: who injected keeps it, the record does not."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _from_bucket(url: str, target: Path) -> None:
    parts = urlsplit(url)
    bucket, key = Bucket(f"{parts.scheme}://{parts.netloc}"), parts.path.strip("/")
    found = bucket.list(key)
    for name in found or [key]:
        path = target / PurePosixPath(name).relative_to(key) if found else target
        if not path.resolve().is_relative_to(target.resolve()):
            raise DatasetError(f"{bucket.place(name)} cannot be read: its name leads out of its folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        bucket.download(name, path)


def _from_web(url: str, target: Path) -> None:
    plain = without_secrets(url)
    try:
        with urllib.request.urlopen(url, timeout=SILENCE_SEC) as answer, target.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except urllib.error.HTTPError as error:
        raise DatasetError(f"{plain} cannot be read: the server says {error.code} {error.reason}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise DatasetError(f"{plain} cannot be read: {reason}") from None
