"""What makes a comparison worth less than its numbers say, found in the episodes themselves.

Episodes of different seeds should differ: where they are copies, fifty are one, and no test of rates
knows that. And a seed should bring its episode back: a canary plays one again.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..datasets import Batch, Episode
from ..learner.checkpoint import read_record
from .play import Pool
from .workspace import Workspace

LOOKED_AT = 2
"""Batches of an arm whose start states are compared; reading all would cost more than it tells."""


def with_remarks(
    space: Workspace, number: int, pool: Pool, verdict: dict[str, Any], stages: tuple[str, str] | None = None
) -> dict[str, Any]:
    """The verdict with a sentence in `remarks`, and in its reason, for each thing that is odd.

    `stages` names those of champion and candidate; the gate's by default.
    """
    candidate = verdict["candidate"]
    given = verdict["champion_arm"] == "collection"
    before, after = stages or ("collect" if given else "gate-champion", "gate")
    old, new = _batches(space, number, before), _batches(space, number, after)
    found = [*_copies(space, candidate, new), *_copies(space, verdict["champion"], old)]
    starts = [episode for arm in (old, new) for episode in _episodes(space, arm[:LOOKED_AT])]
    if same_start(starts):
        found.append("every episode began in the same state: the environment ignores its seed")
    elif verdict["champion_arm"] != "fresh":  # on a robot no seed brings a start back
        found += _canary(space, pool, candidate, _episodes(space, new[:1]))
    return verdict | {"remarks": found, "reason": "; ".join([verdict["reason"], *found])}


def same_start(episodes: Sequence[Episode]) -> bool:
    """Whether episodes of different seeds all begin with the very same observation."""
    seeds = {episode.seed for episode in episodes}
    return len(seeds) > 1 and all(_alike(episodes[0], episode) for episode in episodes[1:])


def _canary(space: Workspace, pool: Pool, candidate: str, played: Sequence[Episode]) -> list[str]:
    """Play one episode again; its start must be the recorded one. It is no data: it is there already."""
    seeded = [episode for episode in played if episode.seed is not None]
    if not seeded:
        return []
    folder, seed = space.policy_folder(candidate), seeded[0].seed
    record, weights = read_record(folder), (folder / "weights.safetensors").read_bytes()
    again = list(pool().run(record, weights, [seed]))  # pyright: ignore[reportArgumentType]
    if all(_alike(seeded[0], episode) for episode in again):
        return []
    return [f"seed {seed} did not bring its start state back: the environment ignores its seed"]


def _copies(space: Workspace, who: str, batches: Sequence[Batch]) -> list[str]:
    digests = [row.digest for row in space.store.iter_rows(batches)]
    copies = len(digests) - len(set(digests))
    if not copies:
        return []
    return [
        f"{copies} of {len(digests)} episodes of {who} are identical to others, step by step: "
        "they count as trials, but are none"
    ]


def _alike(one: Episode, other: Episode) -> bool:
    """Whether two episodes begin alike, but for what another processor may round otherwise."""
    pairs = [(value[0], other.observation[name][0]) for name, value in one.observation.items()]
    return all(np.allclose(a, b) for a, b in pairs if np.asarray(a).dtype.kind not in "OSU")


def _episodes(space: Workspace, batches: Sequence[Batch]) -> list[Episode]:
    return [episode for batch in batches for episode in space.store.episodes(batch)]


def _batches(space: Workspace, number: int, stage: str) -> list[Batch]:
    return [
        batch
        for batch in space.store.batches()
        if batch.round == number and batch.origin.get("stage") == stage
    ]
