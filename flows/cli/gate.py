"""`pacloop gate`: what a gate with given numbers would do, before it costs robot hours."""

import json
from pathlib import Path
from typing import Annotated

import typer

from .options import JsonOption

gate = typer.Typer(name="gate", help="Choose the numbers of the gate.", no_args_is_help=True)


@gate.callback()
def _group() -> None:
    """Keep `simulate` a command of its own, though it is the only one."""


@gate.command()
def simulate(
    champion: Annotated[float, typer.Option(min=0.0, max=1.0, help="True success rate of the champion.")],
    candidate: Annotated[float, typer.Option(min=0.0, max=1.0, help="True success rate of the candidate.")],
    alpha: Annotated[float, typer.Option(help="Chance to promote a candidate that is no better.")] = 0.05,
    cap: Annotated[int, typer.Option(min=1, max=5000, help="Most episodes of the candidate.")] = 500,
    collected: Annotated[
        int, typer.Option(min=0, help="Episodes the champion collected; 0: both arms are played.")
    ] = 500,
    block: Annotated[int, typer.Option(min=1, help="Candidate episodes between two looks.")] = 10,
    margin: Annotated[float, typer.Option(help="By how much a candidate must be better.")] = 0.0,
    futility: Annotated[float, typer.Option(help="Power that giving up early may cost.")] = 0.0,
    trials: Annotated[int, typer.Option(min=1, help="Comparisons to simulate.")] = 2000,
    plot: Annotated[Path | None, typer.Option(help="Write the power curve to this PNG.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate comparisons of two true rates: promotions, episodes, and a fixed-n test beside it."""
    from ...datasets.files import write_bytes_atomically
    from ...loop.gate.simulate import power_png
    from ...loop.gate.simulate import simulate as run

    found = run(
        champion=champion,
        candidate=candidate,
        alpha=alpha,
        cap=cap,
        collected=collected,
        block=block,
        margin=margin,
        futility=futility,
        trials=trials,
    )
    if plot:
        write_bytes_atomically(plot, power_png(found))
    if as_json:
        print(json.dumps(found.to_json(), indent=2))
        return
    fixed = found.fixed_n_per_arm
    rows = [
        ("promoted", f"{found.promoted:.1%}", f"{found.promoted_exact:.1%}"),
        ("rejected", f"{found.rejected:.1%}", ""),
        (
            "promoted though no better",
            f"{found.wrong_promotions:.1%}",
            f"{found.wrong_promotions_worst:.2%} at worst",
        ),
        ("candidate episodes", f"{found.candidate_episodes:.0f}", f"{found.candidate_episodes_exact:.0f}"),
        ("champion episodes, extra", f"{found.champion_episodes:.0f}", ""),
        ("fixed-n test, in each arm", "" if fixed is None else str(fixed), ""),
    ]
    given = f"{collected} collected episodes given" if collected else "both arms fresh"
    print(f"champion {champion:.1%}, candidate {candidate:.1%}, level {alpha:g}, cap {cap}, {given}")
    print(f"{'':<28}{f'{trials} trials':>14}  exact")
    for name, simulated, exact in rows:
        print(f"{name:<28}{simulated:>14}  {exact}".rstrip())
