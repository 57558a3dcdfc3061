"""`pacloop dataset`: what is in the dataset, and whether it is sound."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..environment import user
from .options import HERE, By, JsonOption, Reason, WorkspaceOption

if TYPE_CHECKING:
    from ...datasets import EpisodeStore

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

    store = _store(workspace)
    query = Query(round, source, policy, min_score, max_score, moment(since) if since else None)
    excluded = store.excluded()
    if query.of_scores:
        facts = [row_facts(batch, row, excluded) for batch, row in find_rows(store, query)]
    else:
        facts = [batch_facts(batch, excluded) for batch in find_batches(store, query)]
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        (print_episodes if query.of_scores else print_batches)(facts)


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
    if quarantine:
        _show_quarantine(workspace, as_json)
        return
    from ...loop.views.lineage import episode_facts
    from ...loop.workspace.workspace import Workspace
    from .tables import print_facts, readable, whole_batch

    store = _store(workspace)
    data = (
        episode_facts(Workspace.open(workspace), store, episode)
        if "/" in episode
        else whole_batch(store, episode)
    )
    if video:
        from ...loop.views.video import write_video

        data["video"] = write_video(store, episode, video)
    if as_json:
        print(json.dumps(data, indent=2))
    else:
        print_facts(readable(data))


@dataset.command()
def verify(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Recompute every digest and count.

    Exits 1 where one is wrong, and names it.
    """
    store = _store(workspace)
    wrong, count = store.verify(), len(store.batches())
    if as_json:
        print(json.dumps({"batches": count, "wrong": wrong}, indent=2))
    else:
        print("\n".join(wrong) if wrong else f"{count} batches, all sound")
    raise SystemExit(1 if wrong else 0)


Excludable = Annotated[str, typer.Argument(help="Id of an episode, <batch>/<number>, or of a batch.")]


@dataset.command()
def exclude(target: Excludable, reason: Reason, by: By = "", workspace: WorkspaceOption = HERE) -> None:
    """Leave an episode or a batch out of what is learned.

    That is from now on; nothing is deleted.
    """
    count = _store(workspace).exclude(target, reason=reason, by=by or user())
    print(f"{target}: {_episodes(count)} excluded from every later snapshot")


@dataset.command()
def include(target: Excludable, reason: Reason, by: By = "", workspace: WorkspaceOption = HERE) -> None:
    """Take an exclusion back."""
    count = _store(workspace).include(target, reason=reason, by=by or user())
    print(f"{target}: {_episodes(count)} in every later snapshot again")


def _episodes(count: int) -> str:
    return f"{count} episode{'' if count == 1 else 's'}"


def _show_quarantine(workspace: str, as_json: bool) -> None:
    """Print every episode that an injection did not take, with its reasons."""
    from ...datasets.store.quarantine import read_quarantine

    records = read_quarantine(_store(workspace))
    if as_json:
        print(json.dumps(records, indent=2))
        return
    for record in records:
        print(f"{record['path']} ({record['format']}), {record['when'][:19]}, by {record['by']}")
        for entry in record["entries"]:
            print(f"  {entry['where']}: " + "; ".join(entry["reasons"]))
    print(f"{sum(len(record['entries']) for record in records)} episodes in quarantine")


def _store(workspace: str) -> "EpisodeStore":
    from ...loop.workspace.workspace import Workspace

    return Workspace.open(workspace).open_store()
