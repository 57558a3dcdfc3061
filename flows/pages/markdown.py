"""Markdown with pictures in it, small enough for Prefect's UI."""

import base64
from collections.abc import Sequence

LARGEST = 290_000
"""Characters of a page; the UI grows slow beyond some 300 kB."""


def picture(data: bytes, alt: str, kind: str = "png") -> str:
    """A picture as a paragraph of markdown."""
    return f"![{alt}](data:image/{kind};base64,{base64.b64encode(data).decode()})"


def fitted(parts: Sequence[str], largest: int = LARGEST) -> str:
    """Paragraphs as one page; where it grew too large, the last pictures are left out, and it says so."""
    kept = [part for part in parts if part]
    while len("\n\n".join(kept)) > largest and (shown := [p for p in kept if p.startswith("![")]):
        kept[kept.index(shown[-1])] = "(a picture is left out: the page would be too large)"
    return "\n\n".join(kept)
