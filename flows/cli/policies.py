"""`pacloop promote`, `rollback` and `policies`: which is in force, and what made each."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..environment import user
from ..runs.events import emit_change
from .options import HERE, By, JsonOption, Reason, WorkspaceOption

if TYPE_CHECKING:
    from ...loop.workspace.workspace import Workspace

policies = typer.Typer(name="policies", help="Look at the policies and what made them.", no_args_is_help=True)


def promote(
    policy: Annotated[str, typer.Argument(help="Id of the policy to put in force.")],
    reason: Reason,
    by: By = "",
    workspace: WorkspaceOption = HERE,
) -> None:
    """Put a policy in force by hand; the gate is not asked."""
    space, who = _open(workspace), by or user()
    before = space.registry.champion()
    space.registry.promote(policy, reason=reason, by=who)
    emit_change(space, "promoted", before, policy, reason, who)
    print(f"champion: {before} -> {policy}")


def rollback(reason: Reason, by: By = "", workspace: WorkspaceOption = HERE) -> None:
    """Put the champion before this one in force again."""
    space, who = _open(workspace), by or user()
    before, after = space.registry.rollback(reason=reason, by=who)
    emit_change(space, "rolled-back", before, after, reason, who)
    print(f"champion: {before} -> {after}")


@policies.command()
def ls(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """List the policies in the order of their rounds."""
    from ...loop.views.lineage import policy_facts, policy_ids
    from .tables import print_table

    space = _open(workspace)
    store = space.open_store()
    facts = [policy_facts(space, store, policy) for policy in policy_ids(space)]
    if as_json:
        print(json.dumps(facts, indent=2))
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
        for f in facts
    ]
    print_table(rows)
    print(f"{len(facts)} policies")


@policies.command()
def show(
    policy: Annotated[str, typer.Argument(help="Id of the policy.")],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Show where a policy came from and what became of it.

    Its parent, the batches it learned from, its settings, figures, verdict and reigns.
    """
    from ...loop.views.lineage import policy_facts
    from .tables import print_facts

    space = _open(workspace)
    data = policy_facts(space, space.open_store(), policy)
    if as_json:
        print(json.dumps(data, indent=2))
        return
    verdict = data["verdict"]
    words = {
        "verdict": verdict and f"{verdict['decision']} in round {verdict['round']}: {verdict['reason']}",
        "reigns": [_reign_line(reign) for reign in data["reigns"]],
        "batches": [_batch_line(batch) for batch in data["batches"]],
    }
    print_facts(data | words)


def _reign_line(reign: dict) -> str:
    return f"{reign['action']} by {reign['by']}, {reign['since']}: {reign['reason']}"


def _batch_line(batch: dict) -> str:
    origin = batch["source"]
    if batch["round"] is not None:
        origin += f", round {batch['round']}"
    if injected := batch.get("injected"):
        origin += f" from {Path(injected['path']).name} by {injected['by']}"
    return f"{batch['id']}: {origin}, {batch['episodes']} episodes, success {batch['mean_score']:.0%}"


def _open(workspace: str) -> "Workspace":
    from ...loop.workspace.workspace import Workspace

    return Workspace.open(workspace)
