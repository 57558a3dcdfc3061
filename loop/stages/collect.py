"""Collect: the champion plays on seeds nobody selected. Data for the learner, and the gate's sample of it."""

from ..episodes.play import Play, Pool, tally
from ..errors import LoopError
from ..progress import Progress, Stopwatch
from ..workspace.records import Begun, Collected
from ..workspace.workspace import Workspace


def collect(space: Workspace, number: int, pool: Pool, progress: Progress) -> Collected:
    """Play the champion of the round's beginning. Raises LoopError where there is none yet."""
    if done := space.record(Collected, number):
        return done
    watch, config = Stopwatch(), space.config.collect
    champion = begin(space, number).champion
    order = Play(
        name="collect",
        policy=champion,
        purpose="collection",
        source="collection",
        round=number,
        episodes=config.episodes,
        block=config.actors * config.environments,
    )
    played = tally(space, pool, order, progress)
    return space.write_record(number, Collected(**played, champion=champion, seconds=watch.sec))


def begin(space: Workspace, number: int) -> Begun:
    """The champion at the round's beginning, whoever is promoted by hand while it goes on."""
    if begun := space.record(Begun, number):
        return begun
    champion = space.registry.champion()
    if champion is None:
        raise LoopError(f"{space.place} has no champion yet; run: pacloop improve")
    return space.write_record(number, Begun(champion=champion))
