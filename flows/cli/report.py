"""`pacloop report`: a workspace as one HTML page that needs nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..runs.plan import open_workspace
from ..terminal import progress_bars
from .options import HERE, WorkspaceOption

if TYPE_CHECKING:
    from ...datasets import Batch
    from ...loop.progress import Progress
    from ...loop.workspace.workspace import Workspace
    from ..pages.report import Shelf


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
    from ..pages.report import report_page

    space = open_workspace(workspace)
    path = out or space.folder / "report.html"
    with progress_bars() as progress:
        text = report_page(space, _shelves(space, progress)).encode()
    write_bytes_atomically(path, text)
    print(f"{path}: {len(text) / 1e6:.1f} MB, one file that needs nothing else")
    if show:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())


def _shelves(space: "Workspace", progress: "Progress") -> "list[Shelf]":
    """Films of the demonstrations, of the first champion and of the one in force."""
    from ...loop.views.film import Films, film

    chosen = dict(_chosen(space))
    ids = [episode for episodes in chosen.values() for episode in episodes]
    if not ids:
        return []
    films = film(space, ids, videos=True, progress=progress)
    shelves = [
        (heading, Films([made for made in films.made if made.episode in episodes]))
        for heading, episodes in chosen.items()
    ]
    return shelves + ([("Not shown", Films([], films.missing))] if films.missing else [])


def _chosen(space: "Workspace") -> "Iterator[tuple[str, list[str]]]":
    """Headings, each with the ids of the episodes below it: some of the best and of the worst."""
    from ...loop.views.film import choose
    from ...loop.views.rounds import committed

    batches, reigns = committed(space), space.registry.history()
    demonstrations = [b for b in batches if b.source == "demonstration"]
    yield "Demonstrations", choose(space.store, demonstrations, 1, 1)
    if not reigns:
        return
    first, last = reigns[0].policy, reigns[-1].policy
    if first != last:
        yield f"The first champion, {first}", choose(space.store, _played_by(batches, first), 1, 1)
    yield f"The champion, {last}", choose(space.store, _played_by(batches, last), 2, 2)


def _played_by(batches: "list[Batch]", policy: str) -> "list[Batch]":
    """What a policy collected; of one that has not yet, what it was measured by."""
    own = [b for b in batches if b.origin.get("policy") == policy]
    return [b for b in own if b.source == "collection"][:5] or own[-5:]
