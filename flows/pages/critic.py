"""What a round's page in Prefect shows of the Q screen, as markdown."""

from typing import Any

from ...loop.gate.critic import sentence
from ...loop.stages.entrants import label
from ...loop.views.critic import screen_png
from .markdown import picture


def screen_page(screened: dict[str, Any]) -> str:
    """A heading, the screen in one sentence, what it was trusted with, the picture and all it was asked of.

    `screened` is the `screen` of a round's verdict, or the outcome of its stage `screen`.
    """
    parts = ["## What the critics think", f"{sentence(screened).capitalize()}."]
    if screened["ways"]:
        parts += [
            picture(screen_png(screened), "the Q screen"),
            "\n".join(
                [
                    "| way of acting | Q, champion's critic | Q, its own critic |",
                    "|---|---|---|",
                    *(f"| {label(way)} | {way['q']:.4f} | {way['own_q']:.4f} |" for way in screened["ways"]),
                ]
            ),
        ]
    for what, earned in screened["trust"].items():
        trusted = "trusted" if earned["earned"] else "not trusted"
        parts.append(
            f"Its {what} is {trusted}: evidence {earned['evidence']:.2f} of {earned['limit']:.2f} "
            f"from {earned['rounds']} earlier rounds."
        )
    return "\n\n".join(parts)
