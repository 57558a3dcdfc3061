"""What goes wrong in a scripted demonstration: drawn once an episode, by name."""

from dataclasses import dataclass, fields

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


@dataclass(frozen=True)
class Mistakes:
    """What may go wrong in an episode; the defaults stack about 30 % of the time.

    Attributes:
      grasp_offset: metres beside red's centre at which the fingers close.
      place_offset: metres beside blue's axis at which red is let go.
      high_release: metres above blue at which red is let go, beyond what is right.
      pauses: chance a step of standing still for a while.
      early_drop: control steps of carrying after which the gripper opens.
      speed: the most of a full action that is used.
      noise: standard deviation of smooth noise on the four arm actions, in full actions.
    """

    grasp_offset: Chance = Chance(0.35, 0.012, 0.035)
    place_offset: Chance = Chance(0.66, 0.018, 0.045)
    high_release: Chance = Chance(0.3, 0.015, 0.05)
    pauses: Chance = Chance(0.3, 0.02, 0.06)
    early_drop: Chance = Chance(0.3, 0.0, 16.0)
    speed: Chance = Chance(1.0, 0.6, 1.0)
    noise: Chance = Chance(1.0, 0.3, 0.3)

    @classmethod
    def none(cls) -> "Mistakes":
        """The clean demonstrator."""
        return cls(**{item.name: Chance(0.0, 0.0, 0.0) for item in fields(cls)})

    def draw(self, random: np.random.Generator) -> dict[str, float]:
        """The mistakes of one episode: strength by name, only those that happen."""
        drawn = {item.name: getattr(self, item.name).draw(random) for item in fields(self)}
        return {name: strength for name, strength in drawn.items() if strength is not None}
