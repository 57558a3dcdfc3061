"""Whether the target is reached, and what happens after: a run plays one round that watches the champion.

Such a round collects a tenth of `[collect] episodes`, so that the alarm has something to look at. It learns
as any other where the target no longer counts as reached: the champion's fresh episodes do not show it any
more, its alarm rings, or there are demonstrations or interventions that nobody has learned from. A champion
that came into force since is no longer watched but collects as in any round.
"""

from ..episodes.sample import champion_sample, own_batches
from ..gate.alarm import champion_record
from ..statistics.wilson import wilson
from ..workspace.records import Appended, Begun, Collected, Learned, Reached
from ..workspace.workspace import Workspace

WATCHED = 10
"""A round that watches collects one in so many of `[collect] episodes`."""


def reached(space: Workspace, number: int, champion: str) -> str | None:
    """The sentence that says so where the target counts as reached in a round; None while it does not.

    What shows it are all fresh episodes that the champion collected up to the round, as in the gate. The
    confidence is that of one look; a champion that collects again is looked at again.
    """
    settings, batches = space.config.improve, own_batches(space)
    sample = champion_sample(space, number, champion, batches)
    played = sample.episodes + sample.failed
    lower, _ = wilson(sample.successes, played, confidence=2 * settings.confidence - 1)
    record = champion_record(space, batches)
    if lower < settings.until or (record and record.alarm) or _unlearned(space, number):
        return None
    return (
        f"{champion} succeeded in {sample.successes} of {played} fresh episodes, "
        f"so {settings.until:.0%} is reached with {settings.confidence:.0%} confidence"
    )


def reached_in(space: Workspace, number: int) -> str | None:
    """The same of a round that ended with it, while its champion is in force; None of any other."""
    sample, history = space.record(Collected, number), space.registry.history()
    if sample is None or not space.has_record(number, Reached.STAGE):
        return None
    reigns_on = history[-1].policy == sample.champion and history[-1].after < number
    return reached(space, number, sample.champion) if reigns_on else None


def collected_episodes(space: Workspace, number: int) -> int:
    """How many a round collects: as the settings say, or a part where it watches."""
    episodes, begun = space.config.collect.episodes, space.record(Begun, number)
    return -(-episodes // WATCHED) if begun and begun.watches else episodes


def _unlearned(space: Workspace, number: int) -> bool:
    """Whether a round has pinned data from outside that no learner has read up to then."""
    pinned = space.record(Appended, number)
    learned = [k for k in space.rounds() if k <= number and space.has_record(k, Learned.STAGE)]
    if pinned is None or not learned:
        return False
    read = set(space.require(Appended, learned[-1]).snapshot.batch_ids)
    unread = (space.store.batch(name) for name in pinned.snapshot.batch_ids if name not in read)
    return any(batch.source in ("demonstration", "intervention") for batch in unread)
