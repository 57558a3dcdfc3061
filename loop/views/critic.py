"""The Q screen as a picture: who the critic tells apart, how far it is off, what it expects of each way."""

from typing import Any

from .curve import new_figure, plain_axes, png

BLUE, GREY = "#0550ae", "#57606a"
EARLIER = "^", "v", "s"
"""Marks of earlier checkpoints, oldest first."""


def screen_png(screened: dict[str, Any]) -> bytes:
    """The figures of `screen` or of a verdict's `screen` as a PNG, some 40 kB; there must be episodes."""
    figure = new_figure(11.0, 3.4)
    left, middle, right = figure.subplots(1, 3)
    worths = {"kept out of learning": (screened, BLUE)}
    if "own_episodes" in screened:
        worths["its own in the gate"] = (screened["own_episodes"], "#1a7f37")
    for name, (worth, color) in worths.items():
        told, off = worth["discrimination"]["by_step"], worth["calibration"]
        label = f"{name} ({worth['episodes']} episodes)"
        left.plot([p["step"] for p in told], [p["auc"] for p in told], ".-", color=color, label=label)
        label = f"off by {off['error']:.3f}"
        curve = off["curve"]
        middle.plot([b["q"] for b in curve], [b["returned"] for b in curve], "o-", color=color, label=label)
    left.axhline(0.5, color=GREY, linestyle="--", linewidth=1)
    left.set(xlabel="step of the episode", ylabel="chance to tell success", ylim=(0, 1.03))
    top = max(max(middle.get_xlim()[1], middle.get_ylim()[1]), 1e-6)
    middle.plot([0, top], [0, top], color=GREY, linestyle="--", linewidth=1)
    middle.set(xlabel="Q", ylabel="discounted return that followed")
    _ways(right, screened["ways"])
    for axes in (left, middle, right):
        plain_axes(axes)
        axes.legend(fontsize=8, frameon=False)
    return png(figure)


def _ways(axes: Any, ways: list[dict[str, Any]]) -> None:
    """What the champion's critic expects of each way; of earlier checkpoints, too, on the same scale."""
    last = [way for way in ways if "step" not in way]
    for key, mark, color, label in (("q", "o", BLUE, "champion's critic"), ("own_q", "x", GREY, "its own")):
        values = [way[key] - last[0][key] for way in last]  # their levels differ
        axes.plot([_name(way) for way in last], values, mark, color=color, label=label)
    steps = sorted({way["step"] for way in ways if "step" in way})
    for step, mark in zip(steps, EARLIER):
        own = [way for way in ways if way.get("step") == step]
        names, values = [_name(way) for way in own], [way["q"] - last[0]["q"] for way in own]
        axes.plot(names, values, mark, color=BLUE, fillstyle="none", label=f"champion's critic, step {step}")
    axes.set(xlabel="way of acting (actions drawn)", ylabel="Q above that of the first way")


def _name(way: dict[str, Any]) -> str:
    return way["way"].replace("q_guided of ", "")
