"""What happened, as Prefect events, so that teams hang notifications and automations on it.

docs/automate.md lists them. The resource of each is the workspace, `pacloop.workspace.<folder>`; policies
and batches are related to it, `pacloop.policy.<folder>/<id>` and `pacloop.batch.<folder>/<id>`. Events are
news, the workspace's files are the record: where nobody listens, nothing fails and nothing waits.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...loop.injection.inject import Request
    from ...loop.injection.outcome import InjectionOutcome
    from ...loop.workspace.records import Reached
    from ...loop.workspace.verdict import Verdict
    from ...loop.workspace.workspace import Workspace

EVENTS = (
    "promoted",
    "rejected",
    "undecided",
    "reached",
    "waits",
    "alarm",
    "rolled-back",
    "injected",
    "quarantined",
)
"""What may happen, each emitted as `pacloop.<event>`."""

MOST_BATCHES = 50
"""Batches that one event names; Prefect relates at most 100 resources to it."""


def emit_verdict(space: "Workspace", number: int, verdict: "Verdict | Reached", event: str = "") -> None:
    """Emit how a round ended, and the champion's alarm where there is one; or the one `event` about it."""
    figures: dict[str, Any] = verdict.model_dump(exclude={"alarm", "version"}) | {"round": number}
    policies = {role: figures[role] for role in ("champion", "candidate") if role in figures}
    emit(space, event or verdict.decision, figures, policies=policies)
    if not event and (alarm := getattr(verdict, "alarm", None)):
        emit(space, "alarm", {"round": number, "alarm": alarm}, policies=policies)


def emit_injection(space: "Workspace", outcome: "InjectionOutcome", request: "Request") -> None:
    """Emit what an injection added, and what it put into quarantine; nothing of what wrote nothing."""
    if not outcome.written:
        return
    figures = {name: getattr(outcome, name) for name in ("path", "format", "accepted", "duplicates")}
    figures |= {"by": request.by, "note": request.note, "quarantined": len(outcome.quarantined)}
    if outcome.batches:
        emit(space, "injected", figures, batches=outcome.batches)
    if outcome.quarantined:
        emit(space, "quarantined", figures | {"reasons": outcome.reasons()}, batches=outcome.batches)


def emit_change(space: "Workspace", event: str, before: str | None, after: str, reason: str, by: str) -> None:
    """Emit that a person put a policy in force."""
    figures = {"before": before, "reason": reason, "by": by}
    emit(space, event, figures, policies={"candidate": after} | ({"champion": before} if before else {}))


def emit(
    space: "Workspace",
    event: str,
    figures: dict[str, Any],
    *,
    policies: dict[str, str] | None = None,
    batches: "list[str] | tuple[str, ...]" = (),
) -> None:
    """Emit `pacloop.<event>`: policies by their roles, batches, and figures as its payload. Never raises."""
    with suppress(Exception):
        if not _somebody_listens():
            return
        from prefect.events import emit_event

        address = space.address
        related = [_resource("policy", f"{address}/{name}", role) for role, name in (policies or {}).items()]
        related += [_resource("batch", f"{address}/{batch}", "batch") for batch in batches[:MOST_BATCHES]]
        emit_event(
            f"pacloop.{event}",
            resource={
                "prefect.resource.id": f"pacloop.workspace.{address}",
                "prefect.resource.name": space.name,
                "pacloop.workspace.id": space.id,
            },
            related=related,
            payload={"workspace": address, "task": space.config.task, **figures},
        )


def _resource(kind: str, name: str, role: str) -> dict[str, str]:
    return {"prefect.resource.id": f"pacloop.{kind}.{name}", "prefect.resource.role": role}


def _somebody_listens() -> bool:
    """Whether this is a Prefect run, or a configured API answers; without one, emitting starts a server."""
    from prefect.runtime import flow_run

    from ..server.ask import answers, configured

    url = configured()
    return bool(flow_run.get_id() or (url and answers(url)))
