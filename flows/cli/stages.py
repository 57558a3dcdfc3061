"""`pacloop collect`, `learn` and `evaluate`: one stage at a time, by hand."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from ...datasets.errors import PacloopError
from ..runs.plan import open_to_change, open_workspace
from ..terminal import print_json, progress_bars
from .options import HERE, JsonOption, WorkspaceOption

if TYPE_CHECKING:
    from ...loop.episodes.play import Session
    from ...loop.workspace.records import Measured, Record


def collect(workspace: WorkspaceOption = HERE) -> None:
    """Play the champion: a round's first stage, by hand."""
    from ...loop.stages.append import append
    from ...loop.stages.collect import collect as play

    def stage(opened: "Session", number: int) -> "Record":
        record = play(opened, number)
        append(opened.space, number, opened.progress)
        return record

    _by_hand(workspace, "collect", stage)


def learn(workspace: WorkspaceOption = HERE) -> None:
    """Learn a candidate from what was collected, by hand."""
    from ...loop.stages.round import learn_candidate

    _by_hand(workspace, "learn", learn_candidate)


def _by_hand(workspace: str, name: str, stage: "Callable[[Session, int], Record]") -> None:
    """Run a stage of the round that is next, and print its figures."""
    from ...loop.stages.improve import next_round
    from ..runs.session import session

    with progress_bars() as progress, session(open_workspace(workspace), progress) as opened:
        number = next_round(opened.space)
        figures = stage(opened, number).figures_shown()
    print(f"round {number}, {name}: " + ", ".join(f"{k} {v}" for k, v in figures.items()))


def evaluate(
    policy: Annotated[str | None, typer.Argument(help="Id of a policy; the champion by default.")] = None,
    episodes: Annotated[
        int | None,
        typer.Option(min=1, help="Fresh episodes to play, of each at most where two are compared."),
    ] = None,
    against: Annotated[str | None, typer.Option(help="Id of a policy to compare it with.")] = None,
    paired: Annotated[bool, typer.Option("--paired", help="Compare on the same start states.")] = False,
    giving_up: Annotated[
        bool, typer.Option("--give-up", help="Only give up the evaluation that was interrupted.")
    ] = False,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Measure a policy on fresh episodes, or compare two.

    Two are compared as the gate does. All episodes are added to the dataset.
    Exits 1 where the policy is not shown to be better.
    """
    if paired and against is None:
        raise PacloopError("--paired needs the other policy: --against B")
    from ...loop.stages.evaluate import compare, compared, measure
    from ..runs.session import session

    if giving_up:
        return _give_up(workspace)
    with progress_bars() as progress, session(open_workspace(workspace), progress) as opened:
        if against is None:
            record = measure(opened, policy=policy, episodes=episodes)
            better, text = True, _measured(record)
        else:
            record = compare(opened, policy=policy, against=against, paired=paired, episodes=episodes)
            better, text = record.decision == "better", compared(opened.space, record)
    if as_json:
        print_json(record.model_dump())
    else:
        print(text)
    raise SystemExit(0 if better else 1)


def _give_up(workspace: str) -> None:
    from ...loop.stages.evaluate import give_up
    from ...loop.workspace.lease import hold

    with hold(space := open_to_change(workspace)):
        order = give_up(space)
    print(f"given up: {order.policy} on {order.episodes} episodes; those that were played are kept")


def _measured(record: "Measured") -> str:
    low, high = record.interval
    rate = f"{record.rate:.1%} of {record.episodes}"
    return f"{record.policy}: {rate} (95 %: {low:.1%} to {high:.1%})"
