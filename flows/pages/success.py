"""What Prefect shows of all rounds, of an injection and of an evaluation, as markdown."""

from typing import TYPE_CHECKING

from ...loop.gate.alarm import champion_record
from ...loop.stages.evaluate import compared
from ...loop.views.curve import success_png, success_title
from ...loop.views.rounds import committed, rows, table
from ...loop.views.sources import sources_table
from .markdown import fitted, picture

if TYPE_CHECKING:
    from ...loop.injection.inject import Request
    from ...loop.injection.outcome import InjectionOutcome
    from ...loop.workspace.workspace import Outcome, Workspace

REASONS = 50
"""Verdicts whose reasons a page lists."""
SHOWN = 100
"""Episodes of the quarantine that a page lists; the others are in the dataset's record."""


def injection_page(outcome: "InjectionOutcome", request: "Request") -> str:
    """The validator's table and the quarantine."""
    good = f"{outcome.successes} with score 1" if outcome.accepted else ""
    lines = [
        f"# {_cell(request.path.name)}: {_headline(outcome, request.strict)}",
        f"Read as {outcome.format}, for {_cell(request.by)}. {_cell(request.note)}".rstrip(),
        "\n".join(
            [
                "| | episodes | |",
                "|---|---|---|",
                f"| accepted | {outcome.accepted} | {good} |",
                f"| duplicates | {outcome.duplicates} | {'present already' if outcome.duplicates else ''} |",
                f"| quarantined | {len(outcome.quarantined)} | |",
                *(f"| | {count} | {_cell(reason)} |" for reason, count in outcome.reasons().items()),
            ]
        ),
        "\n".join(f"* {_cell(remark)}" for remark in outcome.remarks),
    ]
    if outcome.batches:
        lines.append("Batches: " + ", ".join(f"`{batch}`" for batch in outcome.batches))
    if outcome.quarantined:
        entries = [f"| {_cell(q.where)} | {_cell('; '.join(q.reasons))} |" for q in outcome.quarantined]
        more = len(entries) - SHOWN
        lines += ["## Quarantine", "\n".join(["| episode | why |", "|---|---|", *entries[:SHOWN]])]
        if more > 0:
            lines.append(f"and {more} more: `pacloop dataset show --quarantine`")
    lines.append(f"Path: `{outcome.path}`")
    return "\n\n".join(filter(None, lines))


def success_page(space: "Workspace") -> str:
    """The story so far: the curve, the table, the gate's latest reasons, the data."""
    found = rows(space)
    reasons = [f"* **{_cell(row.name)}**: {_cell(row.reason)}" for row in found if row.reason]
    if len(reasons) > REASONS:
        reasons = [f"(the latest {REASONS} of {len(reasons)})", "", *reasons[-REASONS:]]
    return fitted(
        [
            f"# {success_title(space)}",
            *alarm_note(space),
            picture(success_png(space, found), "success per round"),
            table(found),
            "\n".join(reasons),
            "## Data",
            sources_table(committed(space)),
            f"Champion: `{space.registry.champion()}`. Workspace: `{space.address}`.",
        ]
    )


def evaluation_page(space: "Workspace", outcome: "Outcome") -> str:
    """The result, and the rounds so far to compare it with."""
    low, high = outcome["interval"]
    champion = space.registry.champion()
    return "\n\n".join(
        [
            f"# {outcome['policy']}: {outcome['rate']:.1%} of {outcome['episodes']}",
            f"95 % interval: {low:.1%} to {high:.1%}. {outcome['steps']} steps, {outcome['seconds']:.0f} s. "
            f"The champion is `{champion}`.",
            "## The rounds so far",
            table(rows(space)),
        ]
    )


def comparison_page(space: "Workspace", outcome: "Outcome") -> str:
    """What a comparison by hand found, both arms, and the rounds so far."""
    parts = [
        f"# {outcome['policy']} against {outcome['against']}: {outcome['decision']}",
        *(_cell(line) for line in compared(outcome).splitlines()),
        arms_table(outcome, ("against", "policy")),
        "## The rounds so far",
        table(rows(space)),
    ]
    return "\n\n".join(parts)


def arms_table(verdict: "Outcome", names: tuple[str, str] = ("champion", "candidate")) -> str:
    """Both arms of a comparison under these names: policy, success, interval, episodes."""
    lines = ["| | policy | success | 95 % interval | episodes |", "|---|---|---|---|---|"]
    for arm, name in zip(("champion", "candidate"), names):
        n, (low, high) = verdict[f"{arm}_n"], verdict[f"{arm}_interval"]
        rate = verdict[f"{arm}_successes"] / max(n, 1)
        lines.append(f"| {name} | `{verdict[arm]}` | {rate:.1%} | {low:.0%} to {high:.0%} | {n} |")
    return "\n".join(lines)


def alarm_note(space: "Workspace") -> list[str]:
    """A warning, with the command that undoes it, where the champion's success has dropped; else nothing."""
    record = champion_record(space)
    if record is None or record.alarm is None:
        return []
    return [f"> **Alarm.** {_cell(record.alarm)}"]


def _headline(outcome: "InjectionOutcome", strict: bool) -> str:
    if strict and outcome.quarantined:
        return "nothing added, since not every episode is good"
    if outcome.batches:
        return f"{outcome.accepted} episodes added"
    return "nothing added"


def _cell(text: str) -> str:
    """Text that cannot break out of a table or a paragraph."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
