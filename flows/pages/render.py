"""Templates filled in: HTML with everything escaped, markdown small enough for Prefect's UI."""

import base64
import re
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

LARGEST_PAGE = 290_000
"""Characters of a markdown page; the UI grows slow beyond some 300 kB."""


def render(template: str, **values: Any) -> str:
    """A template of this wing, filled in. Raises jinja2.UndefinedError where it names a missing value."""
    return _environment().get_template(template).render(values)


def markdown(template: str, **values: Any) -> str:
    """A markdown template, filled in and fitted; lines that came out empty only part its paragraphs."""
    return fitted(re.split(r"\n\s*\n", render(template, **values)))


def fitted(paragraphs: Iterable[str], largest: int = LARGEST_PAGE) -> str:
    """Paragraphs as one page; where it grew too large, the last pictures are left out, and it says so."""
    parts = [stripped for part in paragraphs if (stripped := part.strip())]
    pictures = [index for index, part in enumerate(parts) if part.startswith("![")]
    while pictures and len("\n\n".join(parts)) > largest:
        parts[pictures.pop()] = "(a picture is left out: the page would be too large)"
    return "\n\n".join(parts)


def picture(data: bytes, alt: str, kind: str = "png") -> str:
    """A picture as a paragraph of markdown."""
    return f"![{alt}]({data_url(data, f'image/{kind}')})"


def data_url(data: bytes, kind: str) -> str:
    """An address that holds the data itself, of a kind such as `image/jpeg`."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def cell(text: str) -> str:
    """Text that cannot break out of a markdown table or paragraph."""
    return " ".join(str(text).replace("|", "\\|").replace("<", "&lt;").split())


def percent(rate: float, digits: int = 1) -> str:
    """A share as people read it: `61.0%`."""
    return f"{rate:.{digits}%}"


def interval(bounds: tuple[float, float]) -> str:
    """Two shares: `51% to 70%`."""
    return f"{percent(bounds[0], 0)} to {percent(bounds[1], 0)}"


def count(number: float) -> str:
    """A number with its thousands apart, rounded: `12,000`."""
    return f"{number:,.0f}"


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(str(__package__)),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (cell, count, data_url, interval, percent, picture):
        environment.filters[function.__name__] = function
    return environment
