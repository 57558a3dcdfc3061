"""Pieces of a page that needs nothing but itself: no network, no scripts, its pictures inside."""

import base64
from collections.abc import Sequence
from html import escape


class Html(str):
    """Markup; every other string is text, and is escaped."""


STYLE = """
:root { --ink: #1f2328; --dim: #59636e; --line: #d1d9e0; --soft: #f6f8fa; --blue: #0550ae; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1200px; padding: 28px 32px 48px; background: #fff; color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Liberation Sans", "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; margin: 0; }
h2 { font-size: 19px; margin: 40px 0 10px; padding-top: 14px; border-top: 1px solid var(--line); }
h3 { font-size: 15px; margin: 22px 0 8px; }
p { margin: 6px 0; max-width: 90ch; }
.dim, caption, figcaption { color: var(--dim); font-size: 13.5px; }
nav { margin: 14px 0 0; display: flex; gap: 18px; flex-wrap: wrap; }
a { color: var(--blue); text-decoration: none; }
.tiles { display: grid; gap: 12px; margin: 20px 0 8px;
  grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); }
.tile { background: var(--soft); border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; }
.tile b { display: block; font-size: 19px; font-variant-numeric: tabular-nums; white-space: nowrap; }
.tile span { color: var(--dim); font-size: 13px; }
.alarm { border: 1px solid #cf222e; background: #fff1f0; border-radius: 8px; padding: 10px 16px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; min-width: 50%; font-size: 14px; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 4px 0; caption-side: bottom; }
th, td { text-align: left; vertical-align: top; padding: 5px 14px 5px 0; }
tr { border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-weight: 600; white-space: nowrap; }
td.n, th.n { text-align: right; white-space: nowrap; }
code, pre { font: 12.5px/1.45 ui-monospace, "Liberation Mono", "DejaVu Sans Mono", monospace; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 8px; padding: 12px 16px;
  overflow-x: auto; }
svg { max-width: 100%; height: auto; display: block; }
figure { margin: 10px 0; }
.mark { border-radius: 10px; padding: 1px 9px; font-size: 12.5px; white-space: nowrap; color: #fff; }
.promoted { background: #1a7f37; } .rejected { background: #cf222e; } .undecided { background: #9a6700; }
.injected { background: #8250df; } .champion { background: var(--blue); }
.film { display: flex; gap: 16px; align-items: center; margin: 0 0 14px; }
.film video { width: 240px; flex: none; border-radius: 6px; background: #000; }
.film img { width: 100%; max-width: 860px; border-radius: 4px; display: block; }
@media print {
  body { max-width: none; padding: 0; font-size: 11px; } nav, video { display: none; }
  h2 { margin-top: 22px; } h2, h3 { break-after: avoid; } tr, figure, .film, .tile { break-inside: avoid; }
  thead { display: table-header-group; } pre { white-space: pre-wrap; font-size: 9px; }
  table, .mark, td code { font-size: 9.5px; } th, td { padding: 3px 8px 3px 0; }
  figcaption, figcaption code, caption { font-size: 10px; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
@page { size: A4; margin: 14mm; }
"""


def page(title: str, parts: Sequence[Html]) -> str:
    """A whole page of these parts."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def element(name: str, *content: str | Html, **attributes: str) -> Html:
    """`<name attribute="...">content</name>`; text in the content is escaped, markup is not."""
    given = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items())
    opened = f"<{name}{given}>"
    return Html(opened if name == "img" else f"{opened}{''.join(map(text, content))}</{name}>")


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str | Html]],
    *,
    numbers: Sequence[str] = (),
    caption: str = "",
) -> Html:
    """A table; the columns named in `numbers` stand right. What is too wide scrolls."""
    classes = [{"class_": "n"} if name in numbers else {} for name in head]
    top = element("tr", *(element("th", name, **kind) for name, kind in zip(head, classes)))
    body = [element("tr", *(element("td", cell, **kind) for cell, kind in zip(row, classes))) for row in rows]
    parts = [element("caption", caption)] if caption else []
    return element(
        "div", element("table", *parts, element("thead", top), element("tbody", *body)), class_="wide"
    )


def inline(data: bytes, kind: str) -> str:
    """Data as an address that holds it, e.g. of kind `image/jpeg`."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def text(content: str) -> Html:
    """Escaped, unless it is markup already."""
    return content if isinstance(content, Html) else Html(escape(content))
