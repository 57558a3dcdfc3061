"""What a round's page in Prefect shows of the candidate's critic, as markdown."""

from ...loop.views.critic import critic_png
from ...loop.workspace.verdict import CriticFigures
from .markdown import picture


def critic_section(figures: CriticFigures | None, own: CriticFigures | None) -> str:
    """A heading, the figures on episodes kept out of learning in a sentence, and the picture of both."""
    title = "## What the critic is worth"
    if figures is None:
        return f"{title}\n\nNo episodes are kept out of learning yet."
    drawn = picture(critic_png(figures, own), "discrimination and calibration of the critic")
    return "\n\n".join([title, f"{figures.sentence().capitalize()}.", drawn])
