"""Pictures: learner runs, episodes by source, what a critic is worth, the power of a gate."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...datasets import SOURCES, Batch
from ..gate.simulate import Scenario
from ..statistics.chances import follow
from ..workspace.verdict import CriticFigures
from .curve import new_figure, plain_axes, png
from .training import Training

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {
    "loss": "loss",
    "critic": "critic's loss",
    "cloning": "cloning, nats",
    "improvement": "improvement, nats",
    "q": "mean Q",
    "effective_actions": "effective number of actions",
}
"""The figures of a run that have a panel, with its title; a run that lacks one has no line there."""

COLORS = {
    "demonstration": "#8c959f",
    "collection": "#0550ae",
    "evaluation": "#9a6700",
    "intervention": "#8250df",
}
BLUE, GREEN, GREY = "#0550ae", "#1a7f37", "#57606a"


def training(runs: Sequence[Training], *, columns: int = 3) -> "Figure | None":
    """The runs' figures over their gradient steps, one run after another; None where there are none yet."""
    names = [name for name in PANELS if any(run.column(name) for run in runs)]
    if not names:
        return None
    rows = -(-len(names) // columns)
    figure = new_figure(4.0 * columns, 2.3 * rows)
    for index, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, index + 1)
        _panel(axes, runs, name)
        if index >= len(names) - columns:
            axes.set_xlabel("gradient steps", fontsize=9)
    return figure


def _panel(axes: "Axes", runs: Sequence[Training], name: str) -> None:
    start, values = 0, []
    for number, run in enumerate(runs):
        column = np.array(run.column(name)).reshape(-1, 2)
        if len(column):
            axes.plot(start + column[:, 0], column[:, 1], color=BLUE, linewidth=1)
            values.append(column[:, 1])
        if number:
            axes.axvline(start, color="#d0d7de", linewidth=0.8, zorder=0)
        if len(runs) > 1 and (len(runs) <= 12 or number % 5 == 0):
            at, label = (start + run.step / 2, 0.98), run.name.removeprefix("round ")
            place = {"xycoords": ("data", "axes fraction"), "ha": "center", "va": "top"}
            axes.annotate(label, at, **place, fontsize=8, color=GREY)
        start += run.step
    low, high = np.percentile(np.concatenate(values), [1, 99])
    room = 0.15 * (high - low) or 1.0
    axes.set_xlim(0, start)
    axes.set_ylim(low - room, high + 1.5 * room)  # the first steps of a run would hide the others
    axes.set_title(PANELS[name], fontsize=10, loc="left")
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k" if value else "0")
    plain_axes(axes)


def sources(batches: Sequence[Batch], learned_in: Mapping[str, int]) -> "Figure | None":
    """Episodes by round and source, stacked; None where there are none.

    A batch of no round stands at `learned_in`, the first that learned from it, by its id.
    """
    last = max([0, *learned_in.values()]) + 1
    episodes: Counter[tuple[str, int]] = Counter()
    for batch in batches:
        number = learned_in.get(batch.id, last) if batch.round is None else batch.round
        episodes[batch.source, number] += batch.episodes
    rounds = sorted({number for _, number in episodes})
    if not rounds:
        return None
    figure = new_figure(min(max(6.0, 0.7 * len(rounds)), 12.0), 2.8)
    axes, below = figure.add_subplot(), np.zeros(len(rounds))
    for source in SOURCES:
        counts = np.array([episodes[source, number] for number in rounds])
        if counts.any():
            axes.bar(range(len(rounds)), counts, bottom=below, width=0.7, color=COLORS[source], label=source)
        below += counts
    ticks = range(0, len(rounds), -(-len(rounds) // 14))
    axes.set_xticks(ticks, [f"round {rounds[i]}" for i in ticks], fontsize=9)
    axes.set_ylabel("episodes")
    axes.set_title("episodes by round and source", fontsize=10, loc="left")
    axes.legend(fontsize=9, frameon=False, ncols=len(SOURCES), loc="upper left")
    axes.set_ylim(0, below.max() * 1.25)
    plain_axes(axes)
    return figure


def critic_png(figures: CriticFigures, own: CriticFigures | None) -> bytes:
    """Discrimination by step and the reliability curve as a PNG, some 30 kB.

    `own` are the figures on the candidate's episodes in the gate, where there are any.
    """
    figure = new_figure(8.0, 3.4)
    left, right = figure.subplots(1, 2)
    rows = [("kept out of learning", figures, BLUE)]
    if own:
        rows.append(("its own in the gate", own, GREEN))
    for name, each, color in rows:
        label = f"{name} ({each.episodes} episodes)"
        left.plot(
            [p.step for p in each.by_step], [p.auc for p in each.by_step], ".-", color=color, label=label
        )
        label = f"off by {each.error:.3f}"
        right.plot(
            [b.q for b in each.curve], [b.returned for b in each.curve], "o-", color=color, label=label
        )
    left.axhline(0.5, color=GREY, linestyle="--", linewidth=1)
    left.set(xlabel="step of the episode", ylabel="chance to tell success", ylim=(0, 1.03))
    top = max(right.get_xlim()[1], right.get_ylim()[1], 1e-6)
    right.plot([0, top], [0, top], color=GREY, linestyle="--", linewidth=1)
    right.set(xlabel="Q", ylabel="discounted return that followed")
    for axes in (left, right):
        plain_axes(axes)
        axes.legend(fontsize=8, frameon=False)
    return png(figure)


def power_png(scenario: Scenario) -> bytes:
    """Both curves of a gate around its scenario's rates, as a PNG. Raises LoopError as `simulate` does."""
    champion = scenario.champion
    rates = np.linspace(max(0.005, champion - 0.15), min(0.995, champion + 0.3), 46)
    chances = follow(scenario.test().plan(), np.full(len(rates), champion), rates)
    figure = new_figure(8.0, 3.6)
    curves = ((chances.promoted, "chance to promote"), (chances.episodes, "candidate episodes, mean"))
    for axes, (values, label) in zip(figure.subplots(1, 2), curves):
        axes.plot(rates, values, color=BLUE)
        axes.axvline(champion + scenario.margin, color=GREY, linestyle="--", linewidth=1)
        axes.axvline(scenario.candidate, color=GREEN, linestyle=":", linewidth=1)
        axes.set_xlabel("candidate's rate (dashed: no better)")
        axes.set_ylabel(label)
        axes.set_ylim(0, None)
        plain_axes(axes)
    return png(figure)


def svg(figure: "Figure") -> str:
    """A figure as SVG to stand in a page: sharp in print, its text selectable, the same for the same data."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "pacloop"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
