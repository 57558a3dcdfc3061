"""`pacloop report`: a workspace as one HTML page that needs nothing else."""

import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import HERE, WorkspaceOption

if TYPE_CHECKING:
    from ...datasets import Batch
    from ...loop.progress import Progress
    from ...loop.workspace.workspace import Workspace
    from ..pages.report import Shelf

FILM_SEC = 60.0
"""Deadline for each film of a report, on average."""


def report(
    out: Annotated[
        Path | None, typer.Option(help="Write the page here; report.html in the workspace by default.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Write the run as one HTML page: curve, verdicts, training, data, videos, provenance, environment.

    It may be made at any time, also while a loop is at work in the workspace.
    """
    from ...datasets.files import write_bytes_atomically
    from ...loop.workspace.workspace import Workspace
    from ..pages.report import report_page
    from ..terminal import progress_bars

    space = Workspace.open(workspace)
    path = out or space.folder / "report.html"
    with progress_bars() as progress:
        text = report_page(space, _shelves(space, progress)).encode()
    write_bytes_atomically(path, text)
    print(f"{path}: {len(text) / 1e6:.1f} MB, one file that needs nothing else")
    if show:
        webbrowser.open(path.resolve().as_uri())


def _shelves(space: "Workspace", progress: "Progress") -> "list[Shelf]":
    """Films of the demonstrations, of the first champion and of today's."""
    from ...loop.views.film import Films, choose, film

    wanted = [(title, choose(space.store, own, good, bad)) for title, own, good, bad in _kinds(space)]
    ids = [name for _, chosen in wanted for name in chosen]
    if not ids:
        return []
    films = film(space, ids, videos=True, deadline_sec=FILM_SEC * len(ids), progress=progress)
    shelves = [(title, Films([m for m in films.made if m.episode in chosen])) for title, chosen in wanted]
    return shelves + ([("Not shown", Films([], films.missing))] if films.missing else [])


def _kinds(space: "Workspace") -> "Iterator[tuple[str, list[Batch], int, int]]":
    """Headings, whose episodes stand below, and how many of the best and of the worst."""
    from ...loop.views.rounds import committed

    batches = committed(space)
    yield "Demonstrations", [b for b in batches if b.source == "demonstration"], 1, 1
    reigns = [reign.policy for reign in space.registry.history()]
    first, last = (reigns[0], reigns[-1]) if reigns else (None, None)
    if first != last:
        yield f"The first champion, {first}", _fresh(batches, first), 1, 1
    if last:
        yield f"The champion, {last}", _fresh(batches, last), 2, 2


def _fresh(batches: "list[Batch]", policy: str | None) -> "list[Batch]":
    """What a policy collected; of one that has not yet, what it was measured by."""
    own = [b for b in batches if b.origin.get("policy") == policy]
    return [b for b in own if b.source == "collection"][:5] or own[-5:]
