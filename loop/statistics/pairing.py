"""How alike two policies fare on the same start states; numpy only, as `pacloop status` reads it."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pairing:
    """How alike two policies fared on the same start states, and what that saves.

    Attributes:
      correlation: of their scores; None where one of them always scored the same.
      interval: 95 %, by Fisher's z.
      saved: share of the episodes of two fresh arms that pairs do without for an estimate of the
        difference that is as sharp: twice the covariance over the sum of both variances.
    """

    correlation: float | None
    interval: tuple[float, float]
    saved: float

    @property
    def pays(self) -> bool:
        """Whether outcomes on equal start states surely correlate."""
        return self.correlation is not None and self.interval[0] > 0

    def sentence(self) -> str:
        """The correlation, and whether pairs save episodes."""
        if self.correlation is None:
            return "whether outcomes on equal start states correlate cannot be told: one arm never varied"
        low, high = self.interval
        saved = (
            f"about {self.saved:.0%} of the episodes" if self.pays else "nothing that can be measured here"
        )
        return (
            f"outcomes on equal start states correlate by {self.correlation:.2f} ({low:.2f} to {high:.2f}): "
            f"pairs save {saved}"
        )


def pairing(champion: np.ndarray, candidate: np.ndarray) -> Pairing:
    """How alike the scores `[n]` and `[n]` of pairs are."""
    if min(champion.var(), candidate.var()) == 0:
        return Pairing(None, (-1.0, 1.0), 0.0)
    correlation = float(np.corrcoef(champion, candidate)[0, 1])
    z, half = np.arctanh(np.clip(correlation, -0.999999, 0.999999)), 1.96 / max(len(champion) - 3, 1) ** 0.5
    low, high = np.tanh([z - half, z + half]).round(4).tolist()
    (old, both), (_, new) = np.cov(champion, candidate)
    return Pairing(round(correlation, 4), (low, high), round(float(2 * both / (old + new)), 4))
