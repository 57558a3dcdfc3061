"""What the champion really scores, from all its fresh episodes; an alarm where that has dropped.

Which episodes are fresh says `episodes/sample.py`. They come in occasions, one stage of one round each,
ordered by their commits. A drop after occasion j - 1 is bet on with the wealths of
`betting.py`: for a mean t, that scores before j exceed it and scores from j on fall short of it. Wealth is
spread over all j = 2, 3, ... with weights 1 / (j (j - 1)), which add up to 1. Where nothing changes, the sum
at the true mean expects no growth, so it ever exceeds 1/level, in as long a reign as may be, with at most
the level's chance; what is compared is its smallest value over all t. This holds although a champion
collects again only where no candidate beat it: the bets are fair whenever one stops. It is an e-detector
(Shin, Ramdas and Rinaldo, 2023, New England J. Stat. Data Sci.), weighted so that it bounds the chance of
any false alarm and not the time to the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..episodes.sample import fresh, own_batches, scores
from ..statistics.betting import GRID, interval, log_wealth
from ..workspace.workspace import Workspace


@dataclass(frozen=True)
class ChampionRecord:
    """All fresh episodes of one policy since it came into force.

    Attributes:
      interval: holds the true mean at every look, but for a chance of 5 %.
      alarm: one sentence that names the way back; None while there is none.
    """

    policy: str
    episodes: int
    rate: float
    interval: tuple[float, float]
    alarm: str | None

    def sentence(self) -> str:
        """Rate, interval and alarm as `status` shows them."""
        low, high = self.interval
        interval = f"{low:.1%} to {high:.1%} at every look"
        alarm = f"\nALARM: {self.alarm}" if self.alarm else ""
        return f"its fresh episodes: {self.rate:.1%} of {self.episodes} ({interval}){alarm}"


def champion_record(space: Workspace) -> ChampionRecord | None:
    """The record of the policy in force, in this reign; None where it has no fresh episodes."""
    policy = space.registry.champion()
    if policy is None:
        return None
    batches = fresh(own_batches(space), policy, space.registry.returned_after(policy))
    if not (occasions := [scores(space, own) for own in batches]):
        return None
    evidence, at = drop(occasions)
    every, alarm = np.concatenate(occasions), None
    if evidence >= -np.log(space.config.gate.alarm):
        before, after = np.concatenate(occasions[:at]), np.concatenate(occasions[at:])
        alarm = (
            f"{policy} dropped: {after.mean():.0%} of its last {len(after)} fresh episodes, after "
            f"{before.mean():.0%} of {len(before)}; if nothing had changed, this alarm had at most "
            f"{space.config.gate.alarm:.1%} chance in its whole reign. " + _way_back(space)
        )
    return ChampionRecord(policy, len(every), float(every.mean()), interval(every), alarm)


def drop(occasions: Sequence[np.ndarray]) -> tuple[float, int]:
    """Log wealth of the bets on a drop, and how many occasions come before the likeliest one.

    Minus infinity and 0 for a single occasion.
    """
    bets = []
    for j in range(1, len(occasions)):
        before, after = np.concatenate(occasions[:j]), np.concatenate(occasions[j:])
        wealth = log_wealth(before, GRID[1:]) + log_wealth(1 - after, 1 - GRID[:-1])
        bets.append(wealth - np.log(j * (j + 1)))
    if not bets:
        return -np.inf, 0
    each = np.array(bets)
    total = np.logaddexp.reduce(each)
    worst = int(total.argmin())
    return float(total[worst]), int(each[:, worst].argmax()) + 1


def _way_back(space: Workspace) -> str:
    if sum(-1 if reign.action == "rollback" else 1 for reign in space.registry.history()) < 2:
        return "There is no champion before it: look for what changed around it"
    return 'To put the one before in force again: pacloop rollback --reason "its success dropped"'
