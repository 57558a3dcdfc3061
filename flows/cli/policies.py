"""Which policy is in force, by hand, and what made each: `promote`, `approve`, `policies` and the like."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..environment import this_command, user
from ..runs.events import emit_change
from ..runs.plan import open_store, open_to_change, open_workspace
from ..terminal import console, print_json, table
from .options import HERE, By, JsonOption, Reason, WorkspaceOption

policies = typer.Typer(name="policies", help="Look at the policies and what made them.", no_args_is_help=True)
Waiting = Annotated[str, typer.Argument(help="The candidate that you mean; another is not answered.")]


def promote(
    policy: Annotated[str, typer.Argument(help="Id of the policy to put in force.")],
    reason: Reason,
    by: By = "",
    workspace: WorkspaceOption = HERE,
) -> None:
    """Put a policy in force by hand; the gate is not asked."""
    space, who = open_to_change(workspace), by or user()
    before = space.registry.champion()
    space.registry.promote(policy, reason=reason, by=who)
    emit_change(space, "promoted", before, policy, reason, who)
    print(f"champion: {before} -> {policy}")


def rollback(reason: Reason, by: By = "", workspace: WorkspaceOption = HERE) -> None:
    """Put the champion before this one in force again."""
    space, who = open_to_change(workspace), by or user()
    before, after = space.registry.rollback(reason=reason, by=who)
    emit_change(space, "rolled-back", before, after, reason, who)
    print(f"champion: {before} -> {after}")


def approve(reason: Reason, policy: Waiting = "", by: By = "", workspace: WorkspaceOption = HERE) -> None:
    """Put the candidate in force that waits for approval."""
    _answer(workspace, "approve", policy, reason, by)


def reject(reason: Reason, policy: Waiting = "", by: By = "", workspace: WorkspaceOption = HERE) -> None:
    """Keep the champion; the candidate that waits for approval is rejected."""
    _answer(workspace, "reject", policy, reason, by)


def _answer(
    workspace: str, decision: Literal["approve", "reject"], policy: str, reason: str, by: str
) -> None:
    from ...loop.stages.question import answer, make_answer
    from ...loop.workspace.lease import at_work

    space = open_to_change(workspace)
    question = answer(space, make_answer(decision, by=by or user(), reason=reason), policy)
    word = {"approve": "approved", "reject": "rejected"}[decision]
    print(f"round {question.round}, {question.judged.candidate}: {word}")
    print("taken up by", at_work(space) or f"the next: {this_command('improve', workspace)}")


@policies.command()
def ls(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """List the policies in the order of their rounds."""
    from ...loop.views.lineage import policy_facts, policy_ids

    space = open_workspace(workspace)
    store = open_store(space)
    facts = [policy_facts(space, store, policy) for policy in policy_ids(space)]
    if as_json:
        print_json(facts)
        return
    rows = [
        {
            "policy": f["id"],
            **{name: f[name] for name in ("round", "parent", "episodes", "rows", "snapshot")},
            "verdict": f["verdict"] and f["verdict"]["decision"],
            "standing": "" if f["standing"].startswith("never") else f["standing"],
        }
        for f in facts
    ]
    console(140).print(table(rows))
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

    space = open_workspace(workspace)
    data = policy_facts(space, open_store(space), policy)
    if as_json:
        print_json(data)
        return
    verdict, removed = data["verdict"], data.pop("weights_removed")
    words = {
        "weights": removed and f"weights removed by gc on {removed['when'][:10]}, for {removed['by']}",
        "verdict": verdict and f"{verdict['decision']} in round {verdict['round']}: {verdict['reason']}",
        "reigns": [f"{r['action']} by {r['by']}, {r['since']}: {r['reason']}" for r in data["reigns"]],
        "batches": [_batch_line(batch) for batch in data["batches"]],
    }
    print_facts(data | words)


def _batch_line(batch: dict) -> str:
    origin = batch["source"]
    if batch["round"] is not None:
        origin += f", round {batch['round']}"
    if injected := batch.get("injected"):
        origin += f" from {Path(injected['path']).name} by {injected['by']}"
    return f"{batch['id']}: {origin}, {batch['episodes']} episodes, success {batch['mean_score']:.0%}"
