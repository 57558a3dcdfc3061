"""The command line. Every command says what it did, and exits 0 for done, 1 for no, 2 for bad use.

Nothing heavy is imported before a command runs, so that `pacloop --help` answers at once.
"""

import errno
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...datasets.errors import PacloopError
from ..environment import prepare
from ..runs.events import tell_change
from .approval import approve, reject
from .dataset import HERE, Approve, By, JsonOption, Reason, WorkspaceOption, dataset, user
from .deploy import deploy
from .export import export
from .gate import gate
from .inject import inject
from .policies import policies
from .report import report
from .serve import serve

if TYPE_CHECKING:
    from ...loop.workspace.records import Measured

app = typer.Typer(
    name="pacloop",
    help="A self-improvement loop for robot policies: collect, append, learn, gate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(dataset)
dataset.command()(export)
app.command()(inject)
app.command()(report)
app.command()(serve)
app.command()(deploy)
app.command()(approve)
app.command()(reject)
app.add_typer(policies)
app.add_typer(gate)

DEMO_MINUTES = 20.0
"""No round of the demo begins after so long."""
REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
"""What a disk may say that is the user's to mend, not ours."""
INTERRUPTED = 130
"""The status that typer ends with once it has caught an interrupt."""


@app.command()
def demo(
    workspace: WorkspaceOption = HERE,
    seed: Annotated[int, typer.Option(min=0, max=2**16 - 1, help="Of everything random in the run.")] = 0,
    episodes: Annotated[int, typer.Option(min=1, help="Demonstrations to start from.")] = 200,
) -> None:
    """Demonstrate and improve on the stacking task, with the README's settings, for about 20 minutes."""
    from ...loop.workspace.workspace import Workspace

    if (space := Workspace.find(workspace)) and (found := space.config.seed) != seed:
        raise PacloopError(f"{space.place} is a run with seed {found}, not {seed}; name another --workspace")
    demonstrate(task="pacloop/stack", episodes=episodes, seed=seed, out=None, workspace=workspace)
    improve(workspace=workspace, rounds=None, until=None, minutes=DEMO_MINUTES)


@app.command()
def demonstrate(
    task: Annotated[
        str, typer.Option(help="Name of the task; it must have a demonstrator.")
    ] = "pacloop/stack",
    episodes: Annotated[int, typer.Option(min=1, help="How many.")] = 200,
    seed: Annotated[int, typer.Option(min=0, max=2**16 - 1, help="Of the demonstrations.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write a dataset here, not into a workspace.")] = None,
    clean: Annotated[bool, typer.Option("--clean", help="Without mistakes.")] = False,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Make scripted, clumsy demonstrations, and the workspace they start."""
    from ...loop.injection.demonstrations import add_demonstrations
    from ..terminal import progress_bars

    with progress_bars() as progress:
        batch = add_demonstrations(
            out if out else workspace,
            task=task,
            episodes=episodes,
            seed=seed,
            clean=clean,
            bare=out is not None,
            progress=progress,
        )
    where = out if out else _open(workspace).dataset
    print(f"{batch.episodes} demonstrations, success {batch.mean_score:.1%}, batch {batch.id} in {where}")


@app.command()
def improve(
    workspace: WorkspaceOption = HERE,
    rounds: Annotated[int | None, typer.Option(min=0, help="Most rounds that this run adds.")] = None,
    until: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Success to reach.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.0, help="Start no round after so long.")] = None,
    approve: Approve = None,
) -> None:
    """Run rounds until the target, a number of rounds or a time is reached (the main job)."""
    from ...loop.views.rounds import rows
    from ..runs.improve import improve_with_prefect
    from ..terminal import print_rows, progress_bars

    with progress_bars() as progress:
        ended = improve_with_prefect(
            workspace, progress, rounds=rounds, until=until, minutes=minutes, approve=approve
        )
    print_rows(rows(ended.space), f"{ended.space.config.task}: success per round")
    print(ended.text)
    raise SystemExit(0 if ended.good else 1)


@app.command()
def status(
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again and again, until Ctrl-C; with --json a line each.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks of --watch.")] = 2.0,
) -> None:
    """Show the rounds so far: success with interval, n, verdict, episodes, seconds; and what goes on."""
    from . import watch as watching

    space = _open(workspace)
    if watch:
        watching.watch(space, every, as_json)
    elif as_json:
        _print_json(watching.read_status(space).to_json())
    else:
        watching.print_status(watching.read_status(space))


@app.command()
def collect(workspace: WorkspaceOption = HERE) -> None:
    """Play the champion: the first stage of the next round, by hand."""
    _stage(workspace, "collect")


@app.command()
def learn(workspace: WorkspaceOption = HERE) -> None:
    """Learn a candidate from what the round collected, by hand."""
    _stage(workspace, "learn")


@app.command()
def evaluate(
    policy: Annotated[str | None, typer.Argument(help="Id of a policy; the champion by default.")] = None,
    episodes: Annotated[
        int | None, typer.Option(min=1, help="Fresh episodes to play: 300, or [gate] cap of each at most.")
    ] = None,
    against: Annotated[str | None, typer.Option(help="Id of a policy to compare it with.")] = None,
    paired: Annotated[bool, typer.Option("--paired", help="Compare on the same start states.")] = False,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Measure a policy on fresh episodes, or compare two as the gate does; all are added to the dataset."""
    if paired and against is None:
        raise PacloopError("--paired needs the other policy: --against B")
    from ...loop.stages.evaluate import EPISODES, compare, compared, measure
    from ..runs.rounds import session
    from ..terminal import progress_bars

    with progress_bars() as progress, session(workspace, progress) as ours:
        if against is None:
            measured = measure(ours.space, ours.pool, progress, policy=policy, episodes=episodes or EPISODES)
            _print_measured(measured, as_json)
            return
        comparison = compare(
            ours.space,
            ours.pool,
            progress,
            policy=policy,
            against=against,
            episodes=episodes,
            paired=paired,
        )
    _print_json(comparison.model_dump()) if as_json else print(compared(comparison))
    raise SystemExit(0 if comparison.decision == "better" else 1)


@app.command()
def promote(
    policy: Annotated[str, typer.Argument(help="Id of the policy to put in force.")],
    reason: Reason,
    by: By = "",
    workspace: WorkspaceOption = HERE,
) -> None:
    """Put a policy in force by hand; the gate is not asked."""
    space = _open(workspace)
    before, who = space.registry.champion(), by or user()
    space.registry.promote(policy, reason=reason, by=who)
    tell_change(space, "promoted", before, policy, reason, who)
    print(f"champion: {before} -> {policy}")


@app.command()
def rollback(reason: Reason, by: By = "", workspace: WorkspaceOption = HERE) -> None:
    """Put the champion before this one in force again."""
    space, who = _open(workspace), by or user()
    before, after = space.registry.rollback(reason=reason, by=who)
    tell_change(space, "rolled-back", before, after, reason, who)
    print(f"champion: {before} -> {after}")


@app.command()
def doctor(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Say what this machine has, what is wrong, and what to do about it; and whether a bucket is in reach."""
    from .doctor import checks

    found = checks(workspace)
    if as_json:
        _print_json([vars(check) for check in found])
    else:
        for check in found:
            print(f"{'ok  ' if check.good else 'BAD '} {check.name:<12} {check.found}")
            if check.advice:
                print(f"     {'':<12} -> {check.advice}")
    raise SystemExit(0 if all(check.good for check in found) else 1)


def main() -> None:
    """Run the command line; a user's mistake is one sentence and exit status 2."""
    prepare()
    try:
        app()
    except PacloopError as error:
        print(f"pacloop: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        print(f"pacloop: {error.filename or 'the disk'}: {(error.strerror or '').lower()}", file=sys.stderr)
        raise SystemExit(2) from None
    except SystemExit as end:
        if end.code == INTERRUPTED:
            print(
                "\npacloop: stopped; what was finished is kept, the same command goes on from there",
                file=sys.stderr,
            )
        raise


def _stage(workspace: str, name: str) -> None:
    from ...loop.stages.append import append
    from ...loop.stages.collect import collect
    from ...loop.stages.improve import next_round
    from ...loop.stages.round import learn_candidate
    from ..runs.rounds import session
    from ..terminal import progress_bars

    with progress_bars() as progress, session(workspace, progress) as ours:
        number = next_round(ours.space)
        stage = {"collect": collect, "learn": learn_candidate}[name]
        outcome = stage(ours.space, number, ours.pool, progress)
        if name == "collect":
            append(ours.space, number, progress)
    shown = {k: v for k, v in outcome.model_dump().items() if isinstance(v, int | float | str)}
    print(f"round {number}, {name}: " + ", ".join(f"{k} {v}" for k, v in shown.items()))


def _open(workspace: str) -> Any:
    from ...loop.workspace.workspace import Workspace

    return Workspace.open(workspace)


def _print_measured(measured: "Measured", as_json: bool) -> None:
    if as_json:
        _print_json(measured.model_dump())
        return
    low, high = measured.interval
    rate = f"{measured.rate:.1%} of {measured.episodes}"
    print(f"{measured.policy}: {rate} (95 %: {low:.1%} to {high:.1%})")


def _print_json(data: Any) -> None:
    print(json.dumps(data, indent=2))


if __name__ == "__main__":
    main()
