"""`pacloop dataset`: what is in the dataset, and whether it is sound."""

import json
from pathlib import Path
from typing import Annotated

import typer

WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", "-w", envvar="PACLOOP_WORKSPACE", help="Folder of the run.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
HERE = Path("workspace")

dataset = typer.Typer(name="dataset", help="Look at the episodes and check them.", no_args_is_help=True)


@dataset.command()
def ls(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """List the batches in the order of their commits."""
    batches = _store(workspace).batches()
    if as_json:
        print(json.dumps([batch.to_json() for batch in batches], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for name in ("batch", "source", "round", "episodes", "steps", "success", "policy", "committed"):
        table.add_column(
            name, justify="right" if name in ("round", "episodes", "steps", "success") else "left"
        )
    for b in batches:
        number, policy = "" if b.round is None else str(b.round), str(b.origin.get("policy", ""))
        score = f"{b.mean_score:.0%}"
        table.add_row(b.id, b.source, number, str(b.episodes), str(b.steps), score, policy, b.committed[:19])
    Console().print(table)
    print(f"{len(batches)} batches, {sum(b.episodes for b in batches)} episodes")


@dataset.command()
def show(
    episode: Annotated[str, typer.Argument(help="Id of an episode, <batch>/<number>, or of a batch.")] = "",
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Show the episodes that injections did not take.")
    ] = False,
) -> None:
    """Show where an episode came from and how it went; for a batch, its manifest and its episodes."""
    if quarantine:
        show_quarantine(workspace, as_json)
        return
    store = _store(workspace)
    if "/" not in episode:
        data = store.batch(episode).to_json()
        data["rows"] = [f"{r.id}: score {r.score:g}, {r.length} steps" for r in store.iter_rows([episode])]
    else:
        found, batch = store.episode(episode), store.batch(episode.rpartition("/")[0])
        data = {
            "id": episode,
            "source": batch.source,
            "round": batch.round,
            "policy": found.policy,
            "seed": found.seed,
            "score": found.score,
            "steps": found.length,
            "seconds": found.length / store.schema.control_hz,
            "ended": "terminal" if found.is_terminal else "cut off by the time limit",
            "return": float(found.reward.sum()),
            "instruction": found.instruction,
            "info": dict(found.info),
            "origin": dict(batch.origin),
            "committed": batch.committed,
        }
    if as_json:
        print(json.dumps(data, indent=2))
        return
    for name, value in data.items():
        print(f"{name:<12} " + ("\n             ".join(value) if isinstance(value, list) else str(value)))


@dataset.command()
def verify(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Recompute every digest and count; exits 1 and names what is wrong."""
    store = _store(workspace)
    wrong, count = store.verify(), len(store.batches())
    if as_json:
        print(json.dumps({"batches": count, "wrong": wrong}, indent=2))
    else:
        print("\n".join(wrong) if wrong else f"{count} batches, all sound")
    raise SystemExit(1 if wrong else 0)


def show_quarantine(workspace: Path, as_json: bool) -> None:
    """Print every episode that an injection did not take, with its reasons."""
    from ..datasets.quarantine import read_quarantine

    records = read_quarantine(_store(workspace).folder)
    if as_json:
        print(json.dumps(records, indent=2))
        return
    for record in records:
        print(f"{record['path']} ({record['format']}), {record['when'][:19]}, by {record['by']}")
        for entry in record["entries"]:
            print(f"  {entry['where']}: " + "; ".join(entry["reasons"]))
    print(f"{sum(len(record['entries']) for record in records)} episodes in quarantine")


def _store(workspace: Path):
    from ..datasets import EpisodeStore
    from ..loop.workspace import Workspace

    return EpisodeStore.open(Workspace.open(workspace).folder / "dataset")
