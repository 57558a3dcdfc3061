"""What Prefect shows of an evaluation and of a comparison by hand, as markdown."""

from typing import TYPE_CHECKING

from ...loop.stages.evaluate import compared
from ...loop.views.rounds import rows
from .render import markdown

if TYPE_CHECKING:
    from ...loop.workspace.records import Measured
    from ...loop.workspace.verdict import Verdict
    from ...loop.workspace.workspace import Workspace


def evaluation_page(space: "Workspace", outcome: "Measured") -> str:
    """The result, and the rounds so far to compare it with."""
    champion = space.registry.champion()
    return markdown("evaluation.md.j2", outcome=outcome, champion=champion, rows=rows(space))


def comparison_page(space: "Workspace", outcome: "Verdict") -> str:
    """What a comparison by hand found, both arms, and the rounds so far."""
    lines = compared(outcome).splitlines()
    return markdown("comparison.md.j2", outcome=outcome, lines=lines, rows=rows(space))
