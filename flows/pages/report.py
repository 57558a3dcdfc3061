"""The report of a workspace as one HTML page: what came out, how, from what, and with what."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ...loop.views.curve import curve
from ...loop.views.film import Films
from ...loop.views.lineage import policy_facts, policy_ids
from ...loop.views.panels import sources, svg, training
from ...loop.views.rounds import by_source, committed, first_learned
from ...loop.views.status import read_status
from ...loop.views.training import trainings
from ...loop.workspace.config import config_toml
from ...loop.workspace.machine import environment
from .render import render

if TYPE_CHECKING:
    from ...loop.views.status import Status
    from ...loop.workspace.workspace import Workspace


def report_page(space: "Workspace", shelves: Mapping[str, Sequence[str]], films: Films) -> str:
    """The page. Needs no lease and writes nothing; what is not there yet is said to be missing.

    `shelves` are ids of episodes by the heading that they stand below, `films` are of these.
    """
    status, batches = read_status(space), committed(space)
    rows, target = status.rows, space.config.improve.until
    return render(
        "report.html.j2",
        space=space,
        written=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        state=_state(status),
        champion=next((row for row in reversed(rows) if row.policy == status.champion), None),
        target=target,
        alarm=status.record and status.record.alarm,
        rows=rows,
        rounds=[row for row in rows if row.name.startswith("round ")],
        hours=sum(row.seconds for row in rows) / 3600,
        svg=svg,
        curve=curve(space, rows) if rows else None,
        training=training(trainings(space)),
        sources=by_source(batches),
        data=sources(batches, first_learned(space)),
        excluded=len(space.store.excluded()) if batches else 0,
        shelves=shelves,
        films=films,
        reigns=space.registry.history(),
        policies=_policies(space),
        settings=config_toml(space.config).strip(),
        environment=environment(),
    )


def _state(status: "Status") -> str:
    """How far the run is, in words."""
    if not status.rows:
        return "; ".join(filter(None, ("nothing is measured yet", status.next_step)))
    word = "at work" if status.at_work else "unfinished" if status.now else "finished"
    return f"{word} ({status.now.sentence()})" if status.now else word


def _policies(space: "Workspace") -> list[dict[str, Any]]:
    """The facts of every policy, with the way in which it `acts` in words."""
    from ...learner.policy import Acting

    policies = [policy_facts(space, space.open_store(), policy) for policy in policy_ids(space)]
    return [policy | {"acts": Acting(**policy["acting"])} for policy in policies]
