"""Scripted demonstrations as a batch, in a workspace or in a dataset of their own."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from ...datasets import Batch, Episode, EpisodeStore
from ..episodes.seeds import episode_seeds
from ..errors import LoopError
from ..progress import Progress
from ..workspace.config import Config
from ..workspace.copied import refuse_copy
from ..workspace.place import Place, command
from ..workspace.workspace import Workspace

if TYPE_CHECKING:
    from ...actors.task import Task

SCRIPTED = "pacloop/stack"
"""The task that has a scripted demonstrator."""


def add_demonstrations(
    place: Place, *, task: str, episodes: int, seed: int, clean: bool, bare: bool, progress: Progress
) -> Batch:
    """Make demonstrations and commit them as one batch; the same call again finds them and makes none.

    Args:
      place: a workspace, made where there is none, or a dataset's folder.
      seed: of the demonstrations, and of a workspace that is made.
      clean: without mistakes.
      bare: whether `place` is a dataset; for a workspace that is there, its dataset.
    """
    from ...actors.registry import find_task

    spec = find_task(task)
    if task != SCRIPTED:
        raise LoopError(f"{task} has no scripted demonstrator; only {SCRIPTED} has one")
    if not bare:
        refuse_copy(space := Workspace.create(place, Config(task=task, seed=seed)))
        store = space.store
    elif space := Workspace.find(place):
        refuse_copy(space)
        store = space.make_store(spec.schema)
    else:
        store = EpisodeStore.create(place, spec.schema)
    name = f"{'clean' if clean else 'clumsy'}-s{seed}-n{episodes}"
    if store.holds(name):
        return store.batch(name)
    seeds = episode_seeds("demonstration", run=seed, round=0, count=episodes)
    origin = {"policy": "demonstrator", "seed": seed, "mistakes": "none" if clean else "default"}
    demonstrations = _demonstrations(spec, seeds, clean, progress)
    return store.append(demonstrations, batch_id=name, source="demonstration", round=0, origin=origin)


def no_demonstrations(space: Workspace) -> LoopError:
    """What is wrong with a dataset from which nothing can be learned."""
    advice = ways_to_demonstrate(space)
    return LoopError(f"{space.place} has no demonstrations to learn from; add some: {advice}")


def ways_to_demonstrate(space: Workspace) -> str:
    """Commands that add demonstrations."""
    ways = ["demonstrate"] if space.config.task == SCRIPTED else []
    return ", or ".join(command(words, space.place) for words in [*ways, "inject PATH"])


def _demonstrations(task: "Task", seeds: Sequence[int], clean: bool, progress: Progress) -> Iterator[Episode]:
    from ...actors.rollout.rollout import rollout
    from ...actors.tasks.stack.demonstrator import Demonstrator
    from ...actors.tasks.stack.mistakes import CLEAN, CLUMSY

    actor, successes = Demonstrator(CLEAN if clean else CLUMSY), 0
    with closing(task.make()) as environment:
        played = rollout(task, actor, seeds, environments=[environment], policy_id="demonstrator")
        for number, episode in enumerate(played, start=1):
            successes += episode.is_success
            progress("demonstrate", number, len(seeds), f"success {successes / number:.0%}")
            yield episode
