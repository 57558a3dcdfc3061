"""What Prefect shows of an injection, as markdown."""

from typing import TYPE_CHECKING

from .render import markdown

if TYPE_CHECKING:
    from ...loop.injection.inject import Request
    from ...loop.injection.outcome import InjectionOutcome

LISTED_EPISODES = 100
"""Episodes of the quarantine that a page lists; the others are in the dataset's record."""


def injection_page(outcome: "InjectionOutcome", request: "Request") -> str:
    """The validator's table and the quarantine."""
    headline = "nothing added"
    if request.strict and outcome.quarantined:
        headline = "nothing added, since not every episode is good"
    elif outcome.batches:
        headline = f"{outcome.accepted} episodes added"
    return markdown(
        "injection.md.j2", outcome=outcome, request=request, headline=headline, listed=LISTED_EPISODES
    )
