"""The two arms of a gate, block by block: the scores the champion and the candidate have so far."""

from collections.abc import Iterator

import numpy as np

from .alarm import batch_scores
from .play import Play, Pool, play
from .progress import Progress
from .workspace import Workspace


def arms(
    space: Workspace,
    number: int,
    pool: Pool,
    progress: Progress,
    *,
    champion: str,
    candidate: str,
    given: np.ndarray,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield all scores of champion and candidate after each block of the candidate.

    The champion's are those `given`, or, where `[gate] champion` is `fresh`, of as many episodes as the
    candidate's, on seeds of their own. Both then take turns in who plays a block first, so that a drift
    of the conditions meets them alike.
    """
    config = space.config.gate
    wanted = Play("gate", candidate, "gate", "evaluation", number, config.cap, config.block)
    new = play(space, pool, wanted, progress)
    scores = {"old": given, "new": np.zeros(0)}
    sources = {"old": None, "new": new}
    if config.champion == "fresh":
        reference = Play(
            "gate-champion", champion, "reference", "evaluation", number, config.cap, config.block
        )
        scores["old"], sources["old"] = np.zeros(0), play(space, pool, reference, progress)
    for block in range(-(-config.cap // config.block)):
        for arm in ("old", "new") if block % 2 == 0 else ("new", "old"):
            if (source := sources[arm]) is not None:
                scores[arm] = np.append(scores[arm], batch_scores(space, next(source)))
        yield scores["old"], scores["new"]


def collected_scores(space: Workspace, number: int, champion: str) -> np.ndarray:
    """Scores of all collections of a champion up to a round, in the order of their batches."""
    own = [
        batch
        for batch in space.store.batches()
        if batch.source == "collection"
        and batch.origin.get("policy") == champion
        and 0 < (batch.round or 0) <= number
    ]
    own.sort(key=lambda batch: batch.id)
    return np.concatenate([np.zeros(0), *(batch_scores(space, batch) for batch in own)])
