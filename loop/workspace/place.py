"""Where a workspace is: a folder, or a URL of a bucket."""

import re
import shlex
from pathlib import Path

Place = Path | str
"""A folder, or a URL of a bucket. A path made of a URL, which has lost a slash, is that URL still."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")


def url_of(place: Place) -> str | None:
    """The URL that a place is, of whatever scheme; None where it is a folder."""
    match = _URL.match(text := str(place))
    return f"{match[1]}://{text[match.end() :]}".rstrip("/") if match else None


def address_of(place: Place) -> str:
    """What names a place from wherever one looks: the URL, or the whole path of the folder."""
    return url_of(place) or str(Path(place).resolve())


def command(words: str, place: Place) -> str:
    """`pacloop` with these words, for the workspace at a place."""
    return f"pacloop {words} -w {shlex.quote(str(place))}"
