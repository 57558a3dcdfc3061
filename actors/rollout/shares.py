"""Which seeds still lack an outcome, and who is tried again where an actor is lost. Knows nothing of Ray.

A seed whose episode fails is tried once more. Where an actor dies or falls silent, any of the seeds that it
was at may be to blame: each of them is tried again alone.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from ...datasets import Episode
from .slot import Failure


@dataclass
class Share:
    """Seeds given to one actor, in their order.

    Attributes:
      missing: those without an outcome; the actor is at the first of them, as many as it has environments.
      again: those that failed for the first time.
    """

    missing: list[int]
    again: list[int] = field(default_factory=list)


class Shares:
    """The seeds of one call, in shares that wait for an actor."""

    def __init__(self, seeds: Sequence[int], *, actors: int, environments: int) -> None:
        """Deal the seeds out, a share for each actor."""
        self._environments = environments
        self._failed, self._suspects = set[int](), set[int]()
        dealt = [list(seeds[actor::actors]) for actor in range(actors)]
        self.waiting = deque(Share(part) for part in dealt if part)

    def hear(self, share: Share, outcome: Episode | Failure) -> Episode | Failure | None:
        """Take note of an outcome; returns it where it is the seed's last word."""
        if outcome.seed not in share.missing:
            return None
        share.missing.remove(outcome.seed)
        if isinstance(outcome, Episode) or outcome.seed in self._failed:
            return outcome
        self._failed.add(outcome.seed)
        share.again.append(outcome.seed)
        return None

    def end(self, share: Share, task: str, reason: str, *, blameless: bool = False) -> Failure | None:
        """Let wait what is to be run again of a share that has ended; the failure that is certain now.

        `reason` is why its actor was lost, where it was, and `blameless` that no seed can be the cause.
        """
        again, missing = share.again, share.missing
        if again:
            self.waiting.append(Share(again))
        at = [] if blameless else missing[: self._environments]
        if rest := missing[len(at) :]:
            self.waiting.append(Share(rest))
        if len(at) == 1 and at[0] in self._failed | self._suspects:
            return Failure(at[0], f"{task}, seed {at[0]}: {reason}")
        self._suspects.update(at)
        self.waiting.extend(Share([seed]) for seed in at)
        return None
