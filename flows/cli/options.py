"""Options that several commands share."""

from typing import Annotated

import typer

from ..environment import WORKSPACE, WORKSPACE_VARIABLE

HERE = WORKSPACE
"""The workspace of a command that names none."""


def without_secrets(workspace: str) -> str:
    """Refuse a URL that may hold a password before anything keeps or prints it."""
    if ":/" in workspace:
        from ...datasets.objects import check_url
        from ...loop.workspace.place import url_of

        if url := url_of(workspace):
            check_url(url)
    return workspace


WorkspaceOption = Annotated[
    str,
    typer.Option(
        "--workspace",
        "-w",
        envvar=WORKSPACE_VARIABLE,
        help="Folder of the run, or its URL in a bucket.",
        callback=without_secrets,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Seed = Annotated[int, typer.Option(min=0, max=2**16 - 1, help="Of everything random.")]

Reason = Annotated[str, typer.Option(help="Why; it is kept on record.")]
By = Annotated[str, typer.Option(help="Who; the user's name by default.")]
Approve = Annotated[
    bool | None,
    typer.Option("--approve/--no-approve", help="Ask a person before each promotion; as the settings say."),
]

Rounds = Annotated[int | None, typer.Option(min=1, help="Most rounds that a run adds.")]
Until = Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Success to reach.")]
Every = Annotated[str | None, typer.Option(help="Improve every so often: 30m, 6h, 1d.")]
Cron = Annotated[
    str | None, typer.Option(help="Improve at these times, UTC: '0 2 * * *' is every night at two.")
]
Name = Annotated[str, typer.Option(help="Tells this workspace from others; its folder's name.")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Of the server, on loopback.")]
