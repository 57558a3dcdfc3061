"""`pacloop policies`: which policies there are, what each learned from, and what became of it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .dataset import HERE, JsonOption, WorkspaceOption

if TYPE_CHECKING:
    from ...datasets import EpisodeStore
    from ...loop.workspace.workspace import Workspace

policies = typer.Typer(name="policies", help="Look at the policies and what made them.", no_args_is_help=True)


@policies.command()
def ls(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """List the policies in the order of their rounds."""
    from ...loop.views.lineage import policy_facts, policy_ids
    from .tables import print_table

    space, store = _open(workspace)
    found = [policy_facts(space, store, policy) for policy in policy_ids(space)]
    if as_json:
        print(json.dumps(found, indent=2))
        return
    rows = [
        {
            "policy": f["id"],
            "round": f["round"],
            "parent": f["parent"],
            "episodes": f["episodes"],
            "rows": f["rows"],
            "snapshot": f["snapshot"],
            "verdict": f["verdict"] and f["verdict"]["decision"],
            "standing": "" if f["standing"].startswith("never") else f["standing"],
        }
        for f in found
    ]
    print_table(rows)
    print(f"{len(found)} policies")


@policies.command()
def show(
    policy: Annotated[str, typer.Argument(help="Id of the policy.")],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Show a policy's parent, the batches it learned from, its settings, figures, verdict and reigns."""
    from ...loop.views.lineage import policy_facts
    from .tables import print_facts

    data = policy_facts(*_open(workspace), policy)
    if as_json:
        print(json.dumps(data, indent=2))
        return
    said = data["verdict"]
    told = {
        "verdict": said and f"{said['decision']} in round {said['round']}: {said['reason']}",
        "reigns": [_reign_line(reign) for reign in data["reigns"]],
        "batches": [_batch_line(batch) for batch in data["batches"]],
    }
    print_facts(data | told)


def _reign_line(reign: dict) -> str:
    return f"{reign['action']} by {reign['by']}, {reign['since']}: {reign['reason']}"


def _batch_line(batch: dict) -> str:
    made = batch["source"]
    if batch["round"] is not None:
        made += f", round {batch['round']}"
    if injected := batch.get("injected"):
        made += f" from {Path(injected['path']).name} by {injected['by']}"
    return f"{batch['id']}: {made}, {batch['episodes']} episodes, success {batch['mean_score']:.0%}"


def _open(workspace: str) -> "tuple[Workspace, EpisodeStore]":
    from ...loop.workspace.workspace import Workspace

    space = Workspace.open(workspace)
    return space, space.open_store()
