"""What happened, as Prefect events, so that teams hang notifications and automations on it.

docs/automate.md lists them. The resource of each is the workspace, `pacloop.workspace.<folder>`; policies
and batches are related to it, `pacloop.policy.<folder>/<id>` and `pacloop.batch.<folder>/<id>`. Events are
news, the workspace's files are the record: where nobody listens, nothing fails and nothing waits.
"""

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from ...loop.injection.inject import Request
    from ...loop.injection.outcome import InjectionOutcome
    from ...loop.stages.approval import Question
    from ...loop.workspace.workspace import Outcome, Workspace

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
"""What is told, each under the name `pacloop.<event>`."""

CONNECT_SEC = 1.0
"""So long a command waits for a server that may not be there."""
MOST_BATCHES = 50
"""Batches that one event names; Prefect relates at most 100 resources to it."""


def tell_verdict(space: "Workspace", number: int, verdict: "Outcome") -> None:
    """Tell how a round ended, and the champion's alarm where there is one."""
    figures = {k: v for k, v in verdict.items() if k != "alarm"} | {"round": number}
    policies = {role: verdict[role] for role in ("champion", "candidate") if role in verdict}
    tell(space, verdict["decision"], figures, policies=policies)
    if alarm := verdict.get("alarm"):
        tell(space, "alarm", {"round": number, "alarm": alarm}, policies=policies)


def tell_question(space: "Workspace", asked: "Question") -> None:
    """Tell that a promotion waits for a person."""
    figures = asked.judged | {"round": asked.round, "asked": asked.number}
    tell(space, "waits", figures, policies={role: asked.judged[role] for role in ("champion", "candidate")})


def tell_injection(space: "Workspace", outcome: "InjectionOutcome", request: "Request") -> None:
    """Tell what an injection added, and what it put into quarantine; nothing of what wrote nothing."""
    if not outcome.written:
        return
    figures = {
        "path": outcome.path,
        "format": outcome.format,
        "by": request.by,
        "note": request.note,
        "accepted": outcome.accepted,
        "duplicates": outcome.duplicates,
        "quarantined": len(outcome.quarantined),
    }
    if outcome.batches:
        tell(space, "injected", figures, batches=outcome.batches)
    if outcome.quarantined:
        tell(space, "quarantined", figures | {"reasons": outcome.reasons()}, batches=outcome.batches)


def tell_change(space: "Workspace", event: str, before: str | None, after: str, reason: str, by: str) -> None:
    """Tell that a person put a policy in force."""
    figures = {"before": before, "reason": reason, "by": by}
    tell(space, event, figures, policies={"candidate": after} | ({"champion": before} if before else {}))


def tell(
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
                "prefect.resource.id": workspace_resource(space),
                "prefect.resource.name": space.name,
            },
            related=related,
            payload={"workspace": address, "task": space.config.task, **figures},
        )


def workspace_resource(space: "Workspace") -> str:
    """The id under which events name a workspace."""
    return f"pacloop.workspace.{space.address}"


def _resource(kind: str, name: str, role: str) -> dict[str, str]:
    return {"prefect.resource.id": f"pacloop.{kind}.{name}", "prefect.resource.role": role}


def _somebody_listens() -> bool:
    """Whether this is a Prefect run, or an API is configured and its port is open.

    Emitting takes no time in either case; without an API it would start a server.
    """
    from prefect.runtime import flow_run
    from prefect.settings import PREFECT_API_URL

    if flow_run.get_id():
        return True
    parts = urlsplit(PREFECT_API_URL.value() or "")
    if not parts.hostname:
        return False
    port = parts.port or (443 if parts.scheme == "https" else 80)
    with suppress(OSError), socket.create_connection((parts.hostname, port), timeout=CONNECT_SEC):
        return True
    return False
