"""The critic's figures as a picture: whom it tells apart at which step, and how far it is off."""

from ..workspace.verdict import CriticFigures
from .curve import new_figure, plain_axes, png

BLUE, GREEN, GREY = "#0550ae", "#1a7f37", "#57606a"


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
