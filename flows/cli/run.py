"""`pacloop init`, `demonstrate`, `improve` and `demo`: from nothing to a policy that can be trusted."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...datasets.errors import PacloopError
from ..environment import this_command
from ..runs.plan import open_workspace
from ..terminal import print_rows, progress_bars
from .options import HERE, Approve, Seed, Until, WorkspaceOption, without_secrets

if TYPE_CHECKING:
    from ...loop.workspace.workspace import Workspace

DEMO_MINUTES = 20.0
"""No round of the demo begins after so long."""
SCRIPTED = "pacloop/stack"
"""The task that has a scripted demonstrator."""


def improve(
    workspace: WorkspaceOption = HERE,
    rounds: Annotated[int | None, typer.Option(min=0, help="Most rounds that this run adds.")] = None,
    until: Until = None,
    minutes: Annotated[float | None, typer.Option(min=0.0, help="Start no round after so long.")] = None,
    approve: Approve = None,
) -> None:
    """Run rounds until a target, a number of rounds or a time.

    A round that was interrupted is finished first. What is not given is as
    pacloop.toml says.

    Once the target is reached, each further run watches: it collects a tenth
    with the champion in force, and learns again where that no longer shows the
    target, the alarm rings, or data was injected. Another champion, after a
    rollback for example, is collected and judged as in any round.

    Exits 0 where what was measured last or, in a run that only watched,
    all that the champion has collected reaches the target, else 1.
    """
    from ..runs.improve import improve_with_prefect

    space = open_workspace(workspace, rounds=rounds, until=until, minutes=minutes, approve=approve)
    with progress_bars() as progress:
        improved, measured, text = improve_with_prefect(space, progress)
    print_rows(measured, f"{space.config.task}: success per round")
    print(text)
    raise SystemExit(0 if improved.good else 1)


def demo(
    workspace: WorkspaceOption = HERE,
    seed: Seed = 0,
    episodes: Annotated[int, typer.Option(min=1, help="Demonstrations to start from.")] = 200,
) -> None:
    """Demonstrate and improve on the stacking task, for about 20 minutes.

    The settings are those of the README.
    """
    _check_seed(workspace, seed)
    demonstrate(task=SCRIPTED, episodes=episodes, seed=seed, out=None, workspace=workspace)
    improve(workspace=workspace, rounds=None, until=None, minutes=DEMO_MINUTES)


def init(
    task: Annotated[str, typer.Option(help="Name of the task.")] = "",
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="Go on from this workspace: its champion, data and settings.",
            callback=without_secrets,
        ),
    ] = "",
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**16 - 1, help="Of everything random; 0, or the next after --from's."),
    ] = None,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Make a workspace for a task, with commented settings, or from another.

    One that is made from another has a fresh budget of errors, and the episodes
    in a dataset of its own. What is there already is not changed.
    """
    from ...loop.workspace.config import Config
    from ...loop.workspace.workspace import Workspace

    if bool(task) == bool(source):
        raise PacloopError("give either --task NAME or --from WORKSPACE")
    if source:
        from ...loop.stages.start_from import start_from

        with progress_bars() as progress:
            space = start_from(Workspace.open(source), workspace, seed, progress)
    else:
        _check_seed(workspace, seed)
        space = Workspace.create(workspace, Config(task=task, seed=seed or 0))
    print(f"workspace {space.place}: {space.config.task}, seed {space.config.seed}")
    print(f"settings, each with its meaning: {space.place}/pacloop.toml")
    print("next:")
    steps = {this_command(words, workspace): purpose for words, purpose in _next_steps(space)}
    for command, purpose in steps.items():
        print(f"  {command:<{max(map(len, steps))}}   # {purpose}")


def demonstrate(
    task: Annotated[str, typer.Option(help="Name of the task; it must have a demonstrator.")] = SCRIPTED,
    episodes: Annotated[int, typer.Option(min=1, help="How many.")] = 200,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Write a dataset here, not into a workspace.")] = None,
    clean: Annotated[bool, typer.Option("--clean", help="Without mistakes.")] = False,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Make scripted, clumsy demonstrations, and their workspace."""
    from ...loop.injection.demonstrations import add_demonstrations

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
    where = out if out else open_workspace(workspace).dataset
    print(f"{batch.episodes} demonstrations, success {batch.mean_score:.1%}, batch {batch.id} in {where}")


def _check_seed(workspace: str, seed: int | None) -> None:
    """Raise PacloopError where there is a workspace already, of another seed."""
    from ...loop.workspace.workspace import Workspace

    space = Workspace.find(workspace)
    if space and seed not in (None, space.config.seed):
        raise PacloopError(
            f"{space.place} is a run with seed {space.config.seed}, not {seed}; name another --workspace"
        )


def _next_steps(space: "Workspace") -> list[tuple[str, str]]:
    """Commands that lead on from a workspace without rounds, and what each is for."""
    steps = [("improve", "learn from them, and run rounds")]
    if space.has_store() and space.open_store().batches():
        return steps
    if space.config.task == SCRIPTED:
        seed = f" --seed {space.config.seed}" if space.config.seed else ""
        steps.insert(0, (f"demonstrate{seed}", "or scripted ones"))
    return [("inject PATH", "add demonstrations from a file, folder or URL"), *steps]
