"""A policy measured by hand, on record beside the rounds."""

from itertools import count
from pathlib import Path

from ..datasets.files import read_json, write_json_atomically
from .errors import LoopError
from .play import Play, Pool, tally
from .progress import Progress, Stopwatch
from .workspace import Outcome, Workspace


def measure(
    space: Workspace, pool: Pool, progress: Progress, *, policy: str | None, episodes: int
) -> Outcome:
    """Measure a policy by hand, each time on new seeds; an interrupted measurement is finished first."""
    who = policy or space.registry.champion()
    if who is None:
        raise LoopError(f"{space.folder} has no champion yet; run: pacloop improve")
    number = next(k for k in count() if not (path := _evaluation(space, k)).exists())
    intent = path.with_suffix(".begun.json")
    wanted = {"policy": who, "episodes": episodes}
    if intent.exists() and (begun := read_json(intent)) != wanted:
        raise LoopError(
            f"an evaluation of {begun['policy']} on {begun['episodes']} episodes was interrupted; finish it: "
            f"pacloop evaluate {begun['policy']} --episodes {begun['episodes']}"
        )
    path.parent.mkdir(exist_ok=True)
    write_json_atomically(intent, wanted)
    watch, config = Stopwatch(), space.config.collect
    block = config.actors * config.environments
    play_ = Play(f"manual{number:04d}", who, "manual", "evaluation", number, episodes, block)
    outcome = tally(space, pool, play_, progress) | {"policy": who, "seconds": watch.sec}
    write_json_atomically(path, outcome)
    return outcome


def _evaluation(space: Workspace, number: int) -> Path:
    return space.folder / "evaluations" / f"{number:04d}.json"
