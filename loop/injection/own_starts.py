"""Episodes from outside on start states that the run plays itself, on which it would be measured."""

from collections.abc import Iterable

from ...datasets import Batch
from ..episodes.sample import own_batches, stage_of
from ..episodes.seeds import RUNS_OF_SEEDS, run_of
from ..workspace.workspace import Workspace


def on_own_starts(space: Workspace, batches: Iterable[Batch]) -> set[str]:
    """Ids of the episodes among `batches` that came from outside and have a seed of this run.

    `inject` refuses them, but they were another's to inject who shares the dataset, or the run's seed was
    changed since. Not so what the run has played already: it was injected once more to mend its score.
    """
    run = space.config.seed
    outside = [b for b in batches if not stage_of(b) and run in b.origin.get(RUNS_OF_SEEDS, [run])]
    digests = {row.id: row.digest for row in space.store.iter_rows(outside) if run_of(row.seed) == run}
    if not digests:
        return set()
    own = space.store.iter_rows([batch for batch in own_batches(space) if stage_of(batch)])
    played = {row.digest for row in own}
    return {name for name, digest in digests.items() if digest not in played}
