"""`pacloop gate`: what a gate with given numbers would do, before it costs robot hours."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..terminal import print_json
from .options import JsonOption

if TYPE_CHECKING:
    from ...loop.gate.simulate import Scenario, Simulated

gate = typer.Typer(name="gate", help="Choose the numbers of the gate.", no_args_is_help=True)


@gate.callback()
def _group() -> None:
    """Keep `simulate` a command of its own, though it is the only one."""


@gate.command()
def simulate(
    champion: Annotated[float, typer.Option(min=0.0, max=1.0, help="True success rate of the champion.")],
    candidate: Annotated[float, typer.Option(min=0.0, max=1.0, help="True success rate of the candidate.")],
    alpha: Annotated[float, typer.Option(help="Chance to promote a candidate that is no better.")] = 0.05,
    cap: Annotated[int, typer.Option(help="Most episodes of the candidate.")] = 500,
    collected: Annotated[
        int, typer.Option(min=0, help="Episodes the champion collected; 0: both arms are played.")
    ] = 500,
    block: Annotated[int, typer.Option(help="Candidate episodes between two looks.")] = 10,
    margin: Annotated[float, typer.Option(help="By how much a candidate must be better.")] = 0.0,
    futility: Annotated[float, typer.Option(help="Power that giving up early may cost.")] = 0.0,
    plot: Annotated[Path | None, typer.Option(help="Write the power curve to this PNG.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compute what a gate does with two true rates: promotions, episodes, and a fixed-n test beside it.

    The numbers may be what [gate] may say of them.
    """
    from ...loop.gate.simulate import Scenario
    from ...loop.gate.simulate import simulate as compute

    scenario = Scenario(champion, candidate, alpha, cap, collected, block, margin, futility)
    result = compute(scenario)
    if plot:
        from ...datasets.files import write_bytes_atomically
        from ...loop.views.panels import power_png

        write_bytes_atomically(plot, power_png(scenario))
    if as_json:
        print_json(asdict(scenario) | asdict(result))
    else:
        print(_table(scenario, result))


def _table(scenario: "Scenario", result: "Simulated") -> str:
    given = f"{scenario.collected} collected episodes given" if scenario.collected else "both arms fresh"
    rows = {
        "promoted": f"{result.promoted:.1%}",
        "promoted though no better": f"{result.wrong_promotions:.2%} at worst",
        "candidate episodes, mean": f"{result.candidate_episodes:.0f}",
        "champion episodes, extra": f"{result.champion_episodes:.0f}",
        "fixed-n test, in each arm": str(result.fixed_n_per_arm or ""),
    }
    rates = f"champion {scenario.champion:.1%}, candidate {scenario.candidate:.1%}"
    title = f"{rates}, level {scenario.alpha:g}, cap {scenario.cap}, {given}"
    return "\n".join([title, *(f"{name:<28}{value}".rstrip() for name, value in rows.items())])
