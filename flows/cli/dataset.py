"""`pacloop dataset`: what is in the dataset, whether it is sound, and copies for other tools."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ...datasets.errors import PacloopError
from ..environment import user
from ..runs.plan import open_store, open_to_change, open_workspace
from ..terminal import print_json, progress_bars
from .options import HERE, By, JsonOption, Reason, WorkspaceOption

dataset = typer.Typer(
    name="dataset", help="Look at the episodes, check, exclude and export them.", no_args_is_help=True
)


@dataset.command()
def ls(
    round: Annotated[int | None, typer.Option(help="Made in this round.")] = None,
    source: Annotated[str | None, typer.Option(help="demonstration, collection, evaluation, ...")] = None,
    policy: Annotated[str | None, typer.Option(help="Id of the policy that acted.")] = None,
    min_score: Annotated[
        float | None, typer.Option(help="List the episodes that scored at least so.")
    ] = None,
    max_score: Annotated[float | None, typer.Option(help="List the episodes that scored at most so.")] = None,
    since: Annotated[str | None, typer.Option(help="Committed since this date or time, UTC.")] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """List the batches, or the episodes of some scores.

    Batches stand in the order of their commits. With a bound on the score, the
    episodes are listed.
    """
    from ...datasets.store.find import Query, find_batches, find_rows, moment
    from .tables import batch_facts, print_batches, print_episodes, row_facts

    store = open_store(open_workspace(workspace))
    query = Query(round, source, policy, min_score, max_score, moment(since) if since else None)
    excluded = store.excluded()
    if query.of_scores:
        facts, print_all = [row_facts(*found, excluded) for found in find_rows(store, query)], print_episodes
    else:
        facts, print_all = [batch_facts(b, excluded) for b in find_batches(store, query)], print_batches
    (print_json if as_json else print_all)(facts)


@dataset.command()
def show(
    episode: Annotated[str, typer.Argument(help="Id of an episode, <batch>/<number>, or of a batch.")] = "",
    video: Annotated[Path | None, typer.Option(help="Write the episode to this MP4 file.")] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Show the episodes that injections did not take.")
    ] = False,
) -> None:
    """Show where an episode or a batch came from.

    For an episode, who learned from it as well; for a batch, its manifest and
    its episodes.
    """
    from ...datasets.store.quarantine import read_quarantine
    from ...loop.views.lineage import episode_facts
    from .tables import print_facts, print_quarantine, readable, whole_batch

    if not (episode or quarantine):
        raise PacloopError("name an episode or a batch, or give --quarantine")
    space = open_workspace(workspace)
    store = open_store(space)
    if quarantine:
        (print_json if as_json else print_quarantine)(read_quarantine(store))
        return
    data = episode_facts(space, store, episode) if "/" in episode else whole_batch(store, episode)
    if video:
        from ...loop.views.video import write_video

        data["video"] = write_video(store, episode, video)
    if as_json:
        print_json(data)
    else:
        print_facts(readable(data))


@dataset.command()
def verify(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Recompute every digest and count.

    Exits 1 where one is wrong, and names it. Names what writers have left, too, which does not count.
    """
    store = open_store(open_workspace(workspace))
    left, wrong, count = store.leftovers(), store.verify(), len(store.batches())
    if as_json:
        print_json({"batches": count, "wrong": wrong, "left": left})
    else:
        print(*left, *(wrong or [f"{count} batches, all sound"]), sep="\n")
    raise SystemExit(1 if wrong else 0)


Excludable = Annotated[str, typer.Argument(help="Id of an episode, <batch>/<number>, or of a batch.")]


@dataset.command()
def exclude(target: Excludable, reason: Reason, by: By = "", workspace: WorkspaceOption = HERE) -> None:
    """Leave an episode or a batch out of what is learned.

    That is from now on; nothing is deleted.
    """
    count = open_store(open_to_change(workspace)).exclude(target, reason=reason, by=by or user())
    print(f"{target}: {_episodes(count)} excluded from every later snapshot")


@dataset.command()
def include(target: Excludable, reason: Reason, by: By = "", workspace: WorkspaceOption = HERE) -> None:
    """Take an exclusion back."""
    count = open_store(open_to_change(workspace)).include(target, reason=reason, by=by or user())
    print(f"{target}: {_episodes(count)} in every later snapshot again")


def _episodes(count: int) -> str:
    return f"{count} episode{'' if count == 1 else 's'}"


@dataset.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where to; made where there is none.", metavar="DIR")],
    format: Annotated[
        Literal["rlds", "lerobot", "parquet"],
        typer.Option(help="rlds: a TFDS directory; lerobot: v3.0; parquet: one file a batch."),
    ] = "rlds",
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Copy the episodes into a folder, or bring an earlier copy up to date."""
    from ...datasets.exports.lerobot.export import export_lerobot
    from ...datasets.exports.parquet import export_parquet
    from ...datasets.exports.tfds.rlds import export_rlds

    store = open_store(open_workspace(workspace))
    write = {"rlds": export_rlds, "lerobot": export_lerobot, "parquet": export_parquet}[format]
    with progress_bars(quiet=as_json) as progress:
        written = write(
            store,
            folder.resolve(),
            excluded=store.excluded(),
            callback=lambda done, total: progress("export", done, total, "episodes"),
        )
    if as_json:
        print_json(vars(written) | {"path": str(written.path)})
        return
    size = f"{written.episodes} episodes, {written.bytes / 1e6:.1f} MB"
    new = "1 new shard" if written.shards == 1 else f"{written.shards} new shards"
    print(f"{new}; {size} in {written.path}; to read it:")
    print(*written.read, sep="\n")
