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
    from ...loop.workspace.workspace import Workspace


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
    from ...loop.views.film import filming
    from ...loop.views.status import read_status
    from ..pages.report import report_page

    space = open_workspace(workspace)
    path = out or space.folder / "report.html"
    shelves = dict(_chosen(space))
    episodes = [episode for ids in shelves.values() for episode in ids]
    with progress_bars() as progress, filming(space, episodes, videos=True, progress=progress) as films:
        text = report_page(space, shelves, films()).encode()
    write_bytes_atomically(path, text)
    print(f"{path}: {len(text) / 1e6:.1f} MB, one file that needs nothing else")
    if not shelves:
        print(read_status(space).next_step)
    if show:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())


def _chosen(space: "Workspace") -> "Iterator[tuple[str, list[str]]]":
    """Headings, each with the ids of the episodes below it: some of the best and of the worst."""
    from ...loop.views.film import choose
    from ...loop.views.rounds import committed

    batches, reigns = committed(space), space.registry.history()
    if not batches:
        return
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
