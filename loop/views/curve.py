"""The curve that every run prints: success of each policy, with its interval."""

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..workspace.workspace import Workspace
from .rounds import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKS = {"promoted": ("#1a7f37", "o"), "rejected": ("#cf222e", "X"), "undecided": ("#9a6700", "D")}
PLAIN = ("#0550ae", "s")
WIDEST_INCHES = 14.0
COLORS = 64
MOST_NAMES, MOST_RATES = 14, 24
"""Most rows of which each has its name below it, and its rate beside it; of more, only some have."""


def success_title(space: Workspace) -> str:
    """The title of the curve and of its page."""
    return f"{space.config.task}: success per round"


def png(figure: "Figure") -> bytes:
    """A figure as a PNG of few colours: a fifth of the size, and nobody sees it."""
    from PIL import Image

    large, small = io.BytesIO(), io.BytesIO()
    figure.savefig(large, format="png")
    few_colors = Image.open(large).convert("RGB").quantize(COLORS, Image.Quantize.MAXCOVERAGE)
    few_colors.save(small, "PNG", optimize=True)
    return small.getvalue()


def curve(space: Workspace, rows: Sequence[Row]) -> "Figure":
    """Success per round: baselines, verdict marks, 95 % intervals, the target."""
    target = space.config.improve.until
    figure = new_figure(min(max(8.0, 0.9 * len(rows)), WIDEST_INCHES), 4.2)
    axes = figure.add_subplot()
    in_force = [i for i, row in enumerate(rows) if row.verdict in ("", "promoted")]
    axes.plot(in_force, [rows[i].rate for i in in_force], color="#8c959f", linewidth=1.5, zorder=1)
    for i, row in enumerate(rows):
        _mark(axes, i, row, labelled=len(rows) <= MOST_RATES or row.verdict == "promoted")
    axes.axhline(target, color="#57606a", linestyle="--", linewidth=1)
    axes.text(-0.6, target + 0.01, f"target {target:.0%}", fontsize=9, color="#57606a", va="bottom")
    ticks = range(0, len(rows), math.ceil(len(rows) / MOST_NAMES) or 1)
    axes.set_xticks(ticks, [rows[i].name.replace(" on the ", "\non the\n") for i in ticks], fontsize=9)
    axes.set_xlim(-0.65, max(len(rows) - 0.45, 1))
    axes.set_ylim(0, 1.05)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_ylabel("success")
    axes.set_title(success_title(space), fontsize=11, loc="left")
    verdicts = {row.verdict for row in rows}
    for verdict, (color, marker) in MARKS.items():
        if verdict in verdicts:
            axes.plot([], [], marker, color=color, label=verdict)
    if verdicts & set(MARKS):
        axes.legend(loc="best", fontsize=9, frameon=False)
    plain_axes(axes)
    return figure


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, in inches, that needs no display; in its texts a dollar is a dollar."""
    from matplotlib import rcParams
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rcParams["text.parse_math"] = False
    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain_axes(axes: "Axes") -> None:
    """Horizontal lines to read values by, and no box."""
    axes.set_axisbelow(True)
    axes.grid(axis="y", color="#d0d7de", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _mark(axes: "Axes", i: int, row: Row, *, labelled: bool) -> None:
    color, marker = MARKS.get(row.verdict, PLAIN)
    low, high = row.interval
    errors = [[max(0.0, row.rate - low)], [max(0.0, high - row.rate)]]
    axes.errorbar(i, row.rate, yerr=errors, fmt=marker, color=color, capsize=4, markersize=7, zorder=2)
    if labelled:
        axes.annotate(
            f"{row.rate:.0%}",
            (i, row.rate),
            xytext=(-6, 7),  # left of the bar and above a curve that climbs
            ha="right",
            textcoords="offset points",
            fontsize=10,
            color=color,
        )
