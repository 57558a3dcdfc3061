"""A recording that lies elsewhere: in a bucket, or behind a web address."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import SplitResult, unquote, urlsplit

from ...datasets.errors import DatasetError
from ...datasets.objects import SCHEMES, Bucket

SILENCE_SEC = 30.0
"""A web server that says nothing for so long is given up."""


@contextmanager
def fetch_recording(location: str) -> Iterator[tuple[Path, str]]:
    """The path that `location` is, and ""; of a URL a copy of what it names, and what the record says of it.

    The copy is removed afterwards. Raises DatasetError where a URL cannot be read.
    """
    scheme, is_url, _ = location.partition("://")
    if not is_url:
        yield Path(location).expanduser(), ""
        return
    url = without_secrets(location)
    if scheme not in (*SCHEMES, "http", "https"):
        raise DatasetError(f"{url} cannot be read: a URL begins with {', '.join(SCHEMES)}, http or https")
    with tempfile.TemporaryDirectory(prefix="pacloop-") as folder:
        target = Path(folder) / (PurePosixPath(unquote(_split(location).path)).name or "recording")
        (_from_bucket if scheme in SCHEMES else _from_web)(location, target)
        yield target, url


def without_secrets(url: str) -> str:
    """A URL without what may be a password or a signature: who injected keeps it, the record does not."""
    parts = _split(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _split(url: str) -> SplitResult:
    """The parts of a URL. Raises DatasetError, which does not quote it, where it has none."""
    try:
        return urlsplit(url)
    except ValueError:
        raise DatasetError("the URL to inject is malformed") from None


def _from_bucket(url: str, target: Path) -> None:
    parts = _split(url)
    bucket, key = Bucket(f"{parts.scheme}://{parts.netloc}"), parts.path.strip("/")
    names = bucket.list(key)
    for name in names or [key]:
        path = target / PurePosixPath(name).relative_to(key) if names else target
        if not path.resolve().is_relative_to(target.resolve()):
            raise DatasetError(f"{bucket.place(name)} cannot be read: its name leads out of its folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        bucket.download(name, path)


def _from_web(url: str, target: Path) -> None:
    import httpx

    failure = f"{without_secrets(url)} cannot be read:"
    request = httpx.stream(
        "GET", url, headers={"Accept-Encoding": "identity"}, follow_redirects=True, timeout=SILENCE_SEC
    )
    try:
        with request as answer, target.open("wb") as file:
            if answer.is_error:
                raise DatasetError(f"{failure} the server says {answer.status_code} {answer.reason_phrase}")
            for piece in answer.iter_raw():
                file.write(piece)
    except httpx.InvalidURL:  # whose message quotes the URL
        raise DatasetError(f"{failure} the URL is malformed") from None
    except (httpx.HTTPError, OSError) as error:
        reason = re.sub(r"^\[Errno -?\d+\] ", "", str(error))
        raise DatasetError(f"{failure} {reason or type(error).__name__}") from None
