"""`pacloop approve` and `pacloop reject`: a person's word on a promotion that waits."""

from typing import Literal

from ..environment import this_command, user
from .options import HERE, By, Reason, WorkspaceOption


def approve(reason: Reason, by: By = "", workspace: WorkspaceOption = HERE) -> None:
    """Put the candidate in force that waits for approval."""
    _answer(workspace, "approve", reason, by)


def reject(reason: Reason, by: By = "", workspace: WorkspaceOption = HERE) -> None:
    """Keep the champion; the candidate that waits for approval is rejected."""
    _answer(workspace, "reject", reason, by)


def _answer(workspace: str, decision: Literal["approve", "reject"], reason: str, by: str) -> None:
    from ...loop.stages.approval import answer, make_answer
    from ...loop.workspace.lease import at_work
    from ...loop.workspace.workspace import Workspace

    space = Workspace.open(workspace)
    question = answer(space, make_answer(decision, by=by or user(), reason=reason))
    word = {"approve": "approved", "reject": "rejected"}[decision]
    print(f"round {question.round}, {question.judged.candidate}: {word}")
    holder = at_work(space)
    print(
        f"taken up by {holder}" if holder else f"taken up by the next: {this_command('improve', workspace)}"
    )
