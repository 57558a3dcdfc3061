"""`pacloop approve` and `pacloop reject`: a person's word on a promotion that waits."""

from typing import TYPE_CHECKING, Annotated

import typer

from .dataset import HERE, By, Reason, WorkspaceOption, user

if TYPE_CHECKING:
    from ...loop.stages.approval import Decision


def approve(
    reason: Reason,
    more: Annotated[
        int | None, typer.Option(min=1, max=5000, help="Not yet: play so many more episodes, then ask again.")
    ] = None,
    by: By = "",
    workspace: WorkspaceOption = HERE,
) -> None:
    """Put the candidate in force that waits for approval, or ask for more episodes of it."""
    _answer(workspace, "approve" if more is None else "more episodes", reason, by, more or 0)


def reject(reason: Reason, by: By = "", workspace: WorkspaceOption = HERE) -> None:
    """Keep the champion; the candidate that waits for approval is rejected."""
    _answer(workspace, "reject", reason, by)


def _answer(workspace: str, decision: "Decision", reason: str, by: str, episodes: int = 0) -> None:
    from ...loop.stages.approval import Answer, answer
    from ...loop.workspace.lease import at_work
    from ...loop.workspace.workspace import Workspace

    space = Workspace.open(workspace)
    asked = answer(space, Answer(decision, by or user(), reason, episodes))
    said = {"approve": "approved", "reject": "rejected", "more episodes": f"{episodes} more episodes"}
    print(f"round {asked.round}, {asked.candidate}: {said[decision]}")
    holder = at_work(space)
    print(f"taken up by {holder}" if holder else "taken up by the next: pacloop improve")
