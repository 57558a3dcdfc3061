"""Collect: the champion plays on seeds nobody selected. Data for the learner, and the gate's sample of it."""

from ..episodes.pinned import pinned
from ..episodes.play import Play, Session, tally
from ..errors import LoopError
from ..workspace.place import command
from ..workspace.records import Begun, Collected
from ..workspace.workspace import Workspace
from .gate import settled
from .target import collected_episodes, reached_in


def collect(session: Session, number: int) -> Collected:
    """Play the champion of the round's beginning. Raises LoopError where there is none yet."""
    space = session.space
    if done := space.record(Collected, number):
        return done
    champion = begin(space, number).champion
    session = pinned(session, number, Collected.STAGE)
    episodes, block = collected_episodes(session.space, number), session.space.config.collect.parallel
    order = Play("collect", champion, "collection", number, episodes, block)
    return space.write_record(number, Collected(**tally(session, order), champion=champion))


def begin(space: Workspace, number: int) -> Begun:
    """The champion at the round's beginning, whoever is promoted by hand while it goes on."""
    if begun := space.record(Begun, number):
        return begun
    settled(space, number - 1)
    champion_of(space)  # there is one
    watches, history = bool(reached_in(space, number - 1)), space.registry.history()
    return space.write_record(
        number, Begun(champion=history[-1].policy, watches=watches, reigns=len(history))
    )


def champion_of(space: Workspace) -> str:
    """Id of the policy in force. Raises LoopError where there is none yet."""
    champion = space.registry.champion()
    if champion is None:
        raise LoopError(f"{space.place} has no champion yet; run: {command('improve', space.place)}")
    return champion
