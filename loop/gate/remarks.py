"""What makes a comparison worth less than its numbers say, found in the episodes themselves.

Episodes of different seeds should differ: where they are copies, fifty are one, and no test of rates
knows that. And a seed should bring its start state back: one episode, the canary, is begun again.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ...datasets import Batch, Episode
from ..episodes.sample import of_stage
from ..workspace.verdict import Verdict
from ..workspace.workspace import Workspace

LOOKED_AT = 2
"""Batches of an arm whose start states are compared; reading all would cost more than it tells."""


def with_remarks(
    space: Workspace,
    number: int | None,
    verdict: Verdict,
    stages: tuple[str, str] = ("gate-champion", "gate"),
) -> Verdict:
    """The verdict with a sentence in `remarks`, and in its reason, for each thing that is odd.

    `stages` names those of champion and candidate.
    """
    before, after = stages
    batches = space.store.batches()
    old = of_stage(batches, number, before) or of_stage(batches, number, "collect")
    new = of_stage(batches, number, after)
    remarks = [*_copies(space, verdict.candidate, new), *_copies(space, verdict.champion, old)]
    starts = [episode for arm in (old, new) for episode in _episodes(space, arm[:LOOKED_AT])]
    if same_start(starts):
        remarks.append("every episode began in the same state: the environment ignores its seed")
    elif verdict.champion_arm != "fresh":  # on a robot no seed brings a start back
        remarks += _canary(space, _episodes(space, new[:1]))
    reason = "; ".join([verdict.reason, *remarks])
    return verdict.model_copy(update={"remarks": tuple(remarks), "reason": reason})


def same_start(episodes: Sequence[Episode]) -> bool:
    """Whether episodes of different seeds all begin with the very same observation."""
    seeds = {episode.seed for episode in episodes}
    return len(seeds) > 1 and all(_alike(_start(episodes[0]), _start(episode)) for episode in episodes[1:])


def _canary(space: Workspace, played: Sequence[Episode]) -> list[str]:
    """Begin one episode again; its start must be the recorded one."""
    seed, recorded = next(((e.seed, _start(e)) for e in played if e.seed is not None), (None, {}))
    if seed is None:
        return []
    environment = space.task.make()
    environment.seed(seed)
    again = environment.reset().observation
    environment.close()
    if _alike(again, recorded):
        return []
    return [f"seed {seed} did not bring its start state back: the environment ignores its seed"]


def _copies(space: Workspace, who: str, batches: Sequence[Batch]) -> list[str]:
    digests = [row.digest for row in space.store.iter_rows(batches)]
    copies = len(digests) - len(set(digests))
    alike = f"{copies} of {len(digests)} episodes of {who} are identical to others, step by step"
    return [f"{alike}: they count as trials, but are none"] if copies else []


def _start(episode: Episode) -> dict[str, np.ndarray]:
    return {name: value[0] for name, value in episode.observation.items()}


def _alike(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    """Whether two observations agree, but for text and what another processor may round otherwise."""
    pairs = [(np.asarray(value), other[name]) for name, value in one.items()]
    return all(np.allclose(a, b, atol=1e-5) for a, b in pairs if a.dtype.kind not in "OSU")


def _episodes(space: Workspace, batches: Sequence[Batch]) -> list[Episode]:
    return [episode for batch in batches for episode in space.store.episodes(batch)]
