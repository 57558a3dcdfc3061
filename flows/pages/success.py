"""What Prefect shows of all rounds, as markdown."""

from typing import TYPE_CHECKING

from ...loop.gate.alarm import champion_record
from ...loop.views.curve import success_png, success_title
from ...loop.views.rounds import by_source, committed, rows
from .render import markdown

if TYPE_CHECKING:
    from ...loop.workspace.workspace import Workspace


def success_page(space: "Workspace") -> str:
    """The story so far: the curve, the table, the gate's latest reasons, the data.

    Where the champion's success has dropped, a warning with the command that undoes it stands above.
    """
    measured, record = rows(space), champion_record(space)
    return markdown(
        "success.md.j2",
        title=success_title(space),
        alarm=record and record.alarm,
        curve=success_png(space, measured),
        rows=measured,
        samples=by_source(committed(space)),
        space=space,
    )
