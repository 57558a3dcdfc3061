"""Finding batches and episodes by what is known of them, without opening their steps."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from ..errors import DatasetError
from ..records.batch import Batch, check_source
from ..records.rows import EpisodeRow
from .store import EpisodeStore


@dataclass(frozen=True)
class Query:
    """Which batches, by round, source and earliest time of the commit, and which episodes; None means any."""

    round: int | None = None
    source: str | None = None
    policy: str | None = None
    minimum_score: float | None = None
    maximum_score: float | None = None
    since: datetime | None = None

    def __post_init__(self) -> None:
        """Raise DatasetError where there is no such source."""
        if self.source is not None:
            check_source(self.source)

    @property
    def of_scores(self) -> bool:
        """Whether it asks about single episodes, not only about whole batches."""
        return self.minimum_score is not None or self.maximum_score is not None


def find_batches(store: EpisodeStore, query: Query) -> list[Batch]:
    """The batches with an episode that fits, in the order of their commits."""
    batches = [batch for batch in store.batches() if _fits(batch, query)]
    if query.policy is None and not query.of_scores:
        return batches
    return [batch for batch in batches if any(_row_fits(row, query) for row in store.iter_rows([batch]))]


def find_rows(store: EpisodeStore, query: Query) -> Iterator[tuple[Batch, EpisodeRow]]:
    """The episodes that fit, each with its batch, in the order of the commits."""
    for batch in store.batches():
        if _fits(batch, query):
            yield from ((batch, row) for row in store.iter_rows([batch]) if _row_fits(row, query))


def moment(text: str) -> datetime:
    """A date or a time in ISO's form; UTC where it names no zone. Raises DatasetError where it is neither."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise DatasetError(
            f"{text!r} is no time; write 2026-11-21, 2026-11-21T09:30 or 2026-11-21T09:30+01:00"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _fits(batch: Batch, query: Query) -> bool:
    return (
        (query.round is None or batch.round == query.round)
        and (query.source is None or batch.source == query.source)
        and (query.since is None or datetime.fromisoformat(batch.committed) >= query.since)
    )


def _row_fits(row: EpisodeRow, query: Query) -> bool:
    return (
        (query.policy is None or row.policy == query.policy)
        and (query.minimum_score is None or row.score >= query.minimum_score)
        and (query.maximum_score is None or row.score <= query.maximum_score)
    )
