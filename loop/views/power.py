"""The gate's power: chance to promote and mean episodes over the candidate's rate."""

import numpy as np

from ..gate.simulate import Scenario
from ..statistics.sequential import expected
from .curve import new_figure, plain_axes, png


def power_png(scenario: Scenario) -> bytes:
    """Both curves of a gate around its scenario's rates, as a PNG. Raises LoopError as `simulate` does."""
    champion = scenario.champion
    rates = np.linspace(max(0.005, champion - 0.15), min(0.995, champion + 0.3), 46)
    chances = expected(scenario.test(), np.full(len(rates), champion), rates)
    figure = new_figure(8.0, 3.6)
    curves = ((chances.promoted, "chance to promote"), (chances.episodes, "candidate episodes, mean"))
    for axes, (values, label) in zip(figure.subplots(1, 2), curves):
        axes.plot(rates, values, color="#0550ae")
        axes.axvline(champion + scenario.margin, color="#57606a", linestyle="--", linewidth=1)
        axes.axvline(scenario.candidate, color="#1a7f37", linestyle=":", linewidth=1)
        axes.set_xlabel("candidate's rate (dashed: no better)")
        axes.set_ylabel(label)
        axes.set_ylim(0, None)
        plain_axes(axes)
    return png(figure)
