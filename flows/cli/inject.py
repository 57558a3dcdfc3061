"""`pacloop inject`: episodes from outside into the workspace's dataset."""

from typing import TYPE_CHECKING, Annotated

import typer

from ..environment import this_command, user
from ..runs.events import emit_injection
from ..runs.plan import open_to_change
from ..terminal import console, print_json, progress_bars
from .options import HERE, By, JsonOption, WorkspaceOption

if TYPE_CHECKING:
    from ...loop.injection.outcome import InjectionOutcome

Format = Annotated[str, typer.Option(help="auto, rlds, robomimic, minari, lerobot, npz, parquet or pacloop.")]
Strict = Annotated[bool, typer.Option("--strict", help="Write nothing if any episode is bad; exits 1 then.")]
Score = Annotated[
    str, typer.Option(help="A number in [0, 1], column:NAME, or replay; what the file says by default.")
]


def inject(
    path: Annotated[str, typer.Argument(help="File, folder or URL (https, s3, gs, az) with the episodes.")],
    format: Format = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")] = False,
    strict: Strict = False,
    map: Annotated[str, typer.Option(help="Where names differ: theirs=ours,theirs[0:7]=ours,...")] = "",
    score: Score = "",
    source: Annotated[str, typer.Option(help="demonstration or intervention.")] = "demonstration",
    note: Annotated[str, typer.Option(help="Why; it is kept with the episodes.")] = "",
    by: By = "",
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Check episodes from outside and add the good ones.

    The next round learns from them. Exits 0 where something was added, or
    everything is there already; 1 where every episode is bad, or --strict found
    a bad one; 2 where the path cannot be read. Nothing is added in the last two.
    """
    from ...loop.injection.fetch import fetch_recording
    from ...loop.injection.inject import Request
    from ...loop.injection.inject import inject as run

    space = open_to_change(workspace)
    with fetch_recording(path) as (local, url), progress_bars(quiet=as_json) as progress:
        request = Request(local, format, map, score, source, note, by or user(), strict, dry_run, url)
        outcome = run(space, request, progress)
    if as_json:
        print_json(outcome.to_json())
    else:
        _print_table(outcome)
        print(_ending(outcome, strict, dry_run, workspace))
    emit_injection(space, outcome, request)
    raise SystemExit(1 if outcome.refused(strict=strict) else 0)


def _print_table(outcome: "InjectionOutcome") -> None:
    from rich.table import Table

    table = Table(title=f"{outcome.path} ({outcome.format})", title_justify="left", title_style="bold")
    table.add_column("")
    table.add_column("episodes", justify="right")
    table.add_column("why")
    rows = [
        ("accepted", outcome.accepted, f"{outcome.successes} with score 1", "green"),
        ("duplicates", outcome.duplicates, "present already", ""),
        ("quarantined", len(outcome.quarantined), "", "red"),
        *(("", count, reason, "dim") for reason, count in outcome.reasons().items()),
    ]
    for name, count, why, style in rows:
        table.add_row(name, str(count), why if count else "", style=style if count else "")
    screen = console()
    screen.print(table)
    for remark in outcome.remarks:
        screen.print(f"note: {remark}", highlight=False)


def _ending(outcome: "InjectionOutcome", strict: bool, dry_run: bool, workspace: str) -> str:
    if strict and outcome.quarantined:
        return "nothing added: --strict, and not every episode is good"
    if dry_run:
        return "nothing written: --dry-run"
    if outcome.batches:
        last = f" to {outcome.batches[-1]}" if len(outcome.batches) > 1 else ""
        return f"added {outcome.accepted} episodes as batch {outcome.batches[0]}{last}"
    known = f"{outcome.duplicates} episodes are present already" if outcome.duplicates else ""
    why = this_command("dataset show --quarantine", workspace)
    bad = f"{len(outcome.quarantined)} are bad; why: {why}" if outcome.quarantined else ""
    return "nothing added: " + ", ".join(filter(None, (known, bad)))
