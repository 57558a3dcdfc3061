"""`pacloop gc`: what a workspace need not keep."""

from dataclasses import asdict
from typing import Annotated

import typer

from ..environment import user
from ..runs.plan import open_to_change
from ..terminal import console, print_json, table
from .options import HERE, By, JsonOption, WorkspaceOption


def gc(
    keep: Annotated[int, typer.Option(min=1, help="Latest rounds whose candidates keep their weights.")] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    by: By = "",
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Remove weights and learner states that nothing needs, and packed copies of batches.

    The weights of champions, present and past, stay; so does every episode and record.
    """
    from ...loop.workspace.lease import hold
    from ...loop.workspace.retention import remove_files, spare_files

    space = open_to_change(workspace)
    if dry_run:
        spare = spare_files(space, keep)
    else:
        with hold(space):
            spare = remove_files(space, spare_files(space, keep), by or user())
    if as_json:
        print_json({"removed": not dry_run, "files": [asdict(file) for file in spare]})
        return
    if spare:
        console(140).print(table([asdict(file) for file in spare]), markup=False)
    size = sum(file.bytes for file in spare) / 1e6
    print(f"{len(spare)} files, {size:.1f} MB, " + ("would be removed" if dry_run else "removed"))
