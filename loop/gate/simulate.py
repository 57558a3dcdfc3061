"""What a gate with given numbers would do: chances and episodes, before anything is played."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ..statistics.chances import follow
from ..statistics.sequential import RATES, SequentialTest, calibrate, level_of
from ..workspace.config import parse_config


@dataclass(frozen=True)
class Scenario:
    """Two true rates, and the gate that compares them at the level `alpha`.

    Attributes:
      collected: `champion_n` of its test: episodes of the given sample; 0 where both arms are fresh.
      futility: power that giving up early may cost.
    """

    champion: float
    candidate: float
    alpha: float = 0.05
    cap: int = 500
    collected: int = 500
    block: int = 10
    margin: float = 0.0
    futility: float = 0.0

    def test(self) -> SequentialTest:
        """The gate's calibrated test. Raises LoopError for numbers that `[gate]` would refuse, too."""
        settings = {"level": self.alpha} | {
            name: getattr(self, name) for name in ("cap", "block", "margin", "futility")
        }
        parse_config({"gate": settings}, "gate simulate")
        return calibrate(
            self.collected, self.cap, self.block, self.alpha, margin=self.margin, futility=self.futility
        )


@dataclass(frozen=True)
class Simulated:
    """What the gate does with the two rates, computed exactly.

    Attributes:
      promoted: chance that it promotes the candidate.
      candidate_episodes: of the candidate, on average.
      champion_episodes: of the champion, on average, beyond what was collected.
      wrong_promotions: the largest chance to promote a candidate that is no better, at any common rate.
      fixed_n_per_arm: episodes in each arm with which a fixed-n test of the same level has the same
        power; None where the candidate is no better.
    """

    promoted: float
    candidate_episodes: float
    champion_episodes: float
    wrong_promotions: float
    fixed_n_per_arm: int | None


def simulate(scenario: Scenario) -> Simulated:
    """What the gate does in a scenario. Raises LoopError for numbers that no gate can obey."""
    test = scenario.test()
    champion, candidate = scenario.champion, scenario.candidate
    chances = follow(test.plan(), np.array([champion]), np.array([candidate]))
    power, episodes = chances.promoted.item(), round(chances.episodes.item(), 3)
    return Simulated(
        promoted=round(power, 6),
        candidate_episodes=episodes,
        champion_episodes=0.0 if scenario.collected else episodes,
        wrong_promotions=round(level_of(test, RATES), 6),
        fixed_n_per_arm=fixed_n_per_arm(champion, candidate, scenario.alpha, power, scenario.margin),
    )


def fixed_n_per_arm(
    champion: float, candidate: float, alpha: float, power: float, margin: float = 0.0
) -> int | None:
    """Episodes in each of two fresh arms for a one-sided z test of fixed size.

    Fleiss, Levin and Paik (2003), Statistical Methods for Rates and Proportions, 4.2. A power above
    0.999 is taken as 0.999.
    """
    gain = candidate - champion - margin
    if gain < 1e-9 or power <= alpha:
        return None
    z = NormalDist().inv_cdf
    middle = (champion + candidate) / 2
    spread = (champion * (1 - champion) + candidate * (1 - candidate)) ** 0.5
    root = z(1 - alpha) * (2 * middle * (1 - middle)) ** 0.5 + z(min(power, 0.999)) * spread
    return int(np.ceil((root / gain) ** 2))
