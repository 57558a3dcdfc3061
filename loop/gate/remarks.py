"""What makes a comparison worth less than its numbers say, found in the episodes themselves.

Episodes of different seeds should differ: where they are copies, fifty are one, and no test of rates
knows that. And a seed should bring its start state back: one episode, the canary, is begun again, in an
environment that a collector has. What could not be played is told, with the last cause.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ...datasets import Batch, Episode
from ..episodes.order import Session
from ..episodes.sample import failures, of_stage, own_batches, player
from ..workspace.verdict import Verdict
from ..workspace.workspace import Workspace

LOOKED_AT = 2
"""Batches of an arm whose start states are compared; reading all would cost more than it tells."""


def with_remarks(
    session: Session,
    number: int | None,
    verdict: Verdict,
    stages: tuple[str, str] = ("gate-champion", "gate"),
) -> Verdict:
    """The verdict with a sentence in `remarks`, and in its reason, for each thing that is odd.

    `stages` names those of champion and candidate.
    """
    before, after = stages
    space = session.space
    batches = own_batches(space)
    old = of_stage(batches, number, before) or of_stage(batches, number, "collect")
    new = of_stage(batches, number, after)
    remarks = [*_copies(space, verdict.candidate, new), *_copies(space, verdict.champion, old)]
    remarks += [*_failed(verdict.candidate, new, "failures"), *_failed(verdict.champion, old, "successes")]
    remarks += _physics(verdict, [b for b in batches if b.source == "collection"], new)
    starts = [episode for arm in (old, new) for episode in _episodes(space, arm[:LOOKED_AT])]
    if same_start(starts):
        remarks.append("every episode began in the same state: the environment ignores its seed")
    elif verdict.champion_arm != "fresh":  # on a robot no seed brings a start back
        remarks += _canary(session, _episodes(space, new[:1]))
    reason = "; ".join([verdict.reason, *remarks])
    return verdict.model_copy(update={"remarks": tuple(remarks), "reason": reason})


def same_start(episodes: Sequence[Episode]) -> bool:
    """Whether episodes of different seeds all begin with the very same observation."""
    seeds = {episode.seed for episode in episodes}
    return len(seeds) > 1 and all(_alike(_start(episodes[0]), _start(episode)) for episode in episodes[1:])


def _physics(verdict: Verdict, collected: Sequence[Batch], new: Sequence[Batch]) -> list[str]:
    """What is to be known where versions changed since the champion collected."""
    before = _versions(batch for batch in collected if player(batch) == verdict.champion)
    now = _versions(new)
    if before and now and before[-1] != now[-1]:
        return [f"{verdict.champion} was played with {before[-1]}, but {verdict.candidate} with {now[-1]}"]
    if len(before) > 1:
        sentence = f"{verdict.champion} plays with {before[-1]} now, and played with {before[-2]} before"
        return [f"{sentence}: what it collected then does not count"]
    return []


def _versions(batches: Iterable[Batch]) -> list[str]:
    """The versions of the physics of batches, each once, in their order."""
    known = [batch.origin["physics"] for batch in batches if "physics" in batch.origin]
    return list(dict.fromkeys(" and ".join(f"{name} {v}" for name, v in each.items()) for each in known))


def _canary(session: Session, played: Sequence[Episode]) -> list[str]:
    """Begin one episode again; its start must be the recorded one."""
    seed, recorded = next(((e.seed, _start(e)) for e in played if e.seed is not None), (None, {}))
    if seed is None:
        return []
    again = session.pool().start(seed)
    if again is None or _alike(again, recorded):
        return []
    return [f"seed {seed} did not bring its start state back: the environment ignores its seed"]


def _failed(who: str, batches: Sequence[Batch], what: str) -> list[str]:
    failed = [failure for batch in batches for failure in failures(batch)]
    count = f"{len(failed)} episode{'s' if len(failed) > 1 else ''} of {who} could not be played"
    return [f"{count}, and count as {what}: {failed[-1].reason}"] if failed else []


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
