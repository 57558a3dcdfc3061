"""`pacloop dataset export`: the dataset for colleagues with other tools."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Literal

import typer

from .options import HERE, JsonOption, WorkspaceOption

Format = Literal["rlds", "lerobot", "parquet"]


def export(
    folder: Annotated[Path, typer.Argument(help="Where to; made where there is none.", metavar="DIR")],
    format: Annotated[
        Format, typer.Option(help="rlds: a TFDS directory; lerobot: v3.0; parquet: one file a batch.")
    ] = "rlds",
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Copy the episodes into a folder, or bring an earlier copy up to date."""
    from ...datasets.exports import export_lerobot, export_parquet, export_rlds
    from ...loop.progress import silent
    from ...loop.workspace.workspace import Workspace
    from ..terminal import progress_bars

    store = Workspace.open(workspace).open_store()
    write = {"rlds": export_rlds, "lerobot": export_lerobot, "parquet": export_parquet}[format]
    with nullcontext(silent) if as_json else progress_bars() as progress:
        written = write(
            store,
            folder.resolve(),
            excluded=store.excluded(),
            callback=lambda done, total: progress("export", done, total, "episodes"),
        )
    if as_json:
        print(json.dumps(vars(written) | {"path": str(written.path)}, indent=2))
        return
    size = f"{written.episodes} episodes, {written.bytes / 1e6:.1f} MB"
    new = "1 new shard" if written.shards == 1 else f"{written.shards} new shards"
    print(f"{new}; {size} in {written.path}; to read it:")
    print(*written.read, sep="\n")
