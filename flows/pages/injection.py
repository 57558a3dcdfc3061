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
    return markdown("injection.md.j2", outcome=outcome, request=request, listed=LISTED_EPISODES)
