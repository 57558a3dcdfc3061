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
    events = {event or verdict.decision: figures}
    if not event and (alarm := getattr(verdict, "alarm", None)):
        events["alarm"] = {"round": number, "alarm": alarm}
    emit(space, events, policies=policies)


def emit_injection(space: "Workspace", outcome: "InjectionOutcome", request: "Request") -> None:
    """Emit what an injection added, and what it put into quarantine; nothing of what wrote nothing."""
    if not outcome.written:
        return
    figures = {name: getattr(outcome, name) for name in ("path", "format", "accepted", "duplicates")}
    figures |= {"by": request.by, "note": request.note, "quarantined": len(outcome.quarantined)}
    events = {"injected": figures} if outcome.batches else {}
    if outcome.quarantined:
        events["quarantined"] = figures | {"reasons": outcome.reasons()}
    emit(space, events, batches=outcome.batches)


def emit_change(space: "Workspace", event: str, before: str | None, after: str, reason: str, by: str) -> None:
    """Emit that a person put a policy in force."""
    figures = {"before": before, "reason": reason, "by": by}
    emit(space, {event: figures}, policies={"candidate": after} | ({"champion": before} if before else {}))


def emit(
    space: "Workspace",
    events: dict[str, dict[str, Any]],
    *,
    policies: dict[str, str] | None = None,
    batches: "list[str] | tuple[str, ...]" = (),
) -> None:
    """Emit `pacloop.<event>` for each of `events`, with its figures as the payload. Never raises.

    All are about the same policies, by their roles, and the same batches.
    """
    with suppress(Exception):
        if not _somebody_listens():
            return
        from prefect.events import emit_event

        address = space.address
        related = [_resource("policy", f"{address}/{name}", role) for role, name in (policies or {}).items()]
        related += [_resource("batch", f"{address}/{batch}", "batch") for batch in batches[:MOST_BATCHES]]
        resource = {
            "prefect.resource.id": f"pacloop.workspace.{address}",
            "prefect.resource.name": space.name,
            "pacloop.workspace.id": space.id,
        }
        for event, figures in events.items():
            payload = {"workspace": address, "task": space.config.task, **figures}
            emit_event(f"pacloop.{event}", resource=resource, related=related, payload=payload)


def _resource(kind: str, name: str, role: str) -> dict[str, str]:
    return {"prefect.resource.id": f"pacloop.{kind}.{name}", "prefect.resource.role": role}


def _somebody_listens() -> bool:
    """Whether this is a Prefect run, or a configured API answers; without one, emitting starts a server."""
    from prefect.runtime import flow_run

    from ..server.ask import answers, configured

    url = configured()
    return bool(flow_run.get_id() or (url and answers(url)))
