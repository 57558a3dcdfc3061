"""What goes wrong in a scripted demonstration: drawn once an episode, by name."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Chance:
    """Something that happens in an episode with `probability`, with a strength in [low, high]."""

    probability: float
    low: float
    high: float

    def draw(self, random: np.random.Generator) -> float | None:
        """The strength, or None where it does not happen. Always takes two numbers from `random`."""
        happens, strength = random.random(), random.uniform(self.low, self.high)
        return float(strength) if happens < self.probability else None


Mistakes = Mapping[str, Chance]
"""What may go wrong in an episode, by name."""

CLUMSY: Mistakes = {
    "grasp_offset": Chance(0.35, 0.012, 0.035),  # metres beside red's centre at which the fingers close
    "place_offset": Chance(0.66, 0.018, 0.045),  # metres beside blue's axis at which red is let go
    "high_release": Chance(0.3, 0.015, 0.05),  # metres too high above blue at which red is let go
    "pauses": Chance(0.3, 0.02, 0.06),  # chance a step of standing still for a while
    "early_drop": Chance(0.3, 0.0, 16.0),  # control steps of carrying after which the gripper opens
    "speed": Chance(1.0, 0.6, 1.0),  # the most of a full action that is used
    "noise": Chance(1.0, 0.3, 0.3),  # deviation of smooth noise on the four arm actions, in full actions
}
"""They stack about 30 % of the time."""

CLEAN: Mistakes = dict.fromkeys(CLUMSY, Chance(0.0, 0.0, 0.0))
"""The clean demonstrator's: none ever happens."""


def draw_mistakes(mistakes: Mistakes, random: np.random.Generator) -> dict[str, float]:
    """The mistakes of one episode: strength by name, only those that happen."""
    drawn = {name: chance.draw(random) for name, chance in mistakes.items()}
    return {name: strength for name, strength in drawn.items() if strength is not None}
