"""What Prefect shows of a promotion that waits for a person, as markdown."""

from typing import TYPE_CHECKING

from ...loop.views.curve import success_png
from ...loop.views.film import film
from ...loop.views.rounds import rows
from .render import markdown
from .round import episodes_to_show, strips

if TYPE_CHECKING:
    from ...loop.stages.approval import Question
    from ...loop.workspace.workspace import Workspace


def approval_page(space: "Workspace", question: "Question") -> str:
    """The figures, the curve, a filmstrip, and both ways to answer."""
    return markdown(
        "approval.md.j2",
        space=space,
        question=question,
        verdict=question.judged,
        curve=success_png(space, rows(space)),
        films="\n\n".join(strips(film(space, episodes_to_show(space, question.round)))),
    )
