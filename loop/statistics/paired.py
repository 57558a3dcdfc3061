"""A one-sided sequential test of two policies on the same start states, exact at every look.

Only pairs that decided count: those in which one policy succeeded and the other did not. If the candidate
is no better, it won each of them with a chance of at most 1/2, whatever the start states and however
often pairs decide (McNemar, 1947, Psychometrika 12). So given how many had decided at each look, the
candidate's wins are no more than those of fair coins, and the chance to cross is computed exactly along
just that path. After n of at most `cap` pairs the level spent is level * n / cap (error spending: Lan and
DeMets, 1983, Biometrika 70; Kim and DeMets, 1987, Biometrika 74).

Evidence is minus the logarithm of the stage-wise p-value: the chance that fair coins had crossed at an
earlier look, or now win at least as often. The boundary is minus the logarithm of the level spent.

And how alike two policies fare on the same start states, which says what pairs are worth.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .chances import binomial
from .sequential import looks


@dataclass(frozen=True)
class PairedTest:
    """A test of pairs of scores that are 0 or 1; its numbers are those of a `SequentialTest`, in pairs."""

    cap: int
    block: int
    level: float
    kind: Literal["pairs"] = field(default="pairs", init=False)
    champion_n: int = field(default=0, init=False)
    margin: float = field(default=0.0, init=False)

    def evidence(self, champion: np.ndarray, candidate: np.ndarray, n: int) -> float:
        """Minus the log of the p-value after `n` pairs, from `[n]` and `[n]` scores."""
        won, lost = candidate > champion, candidate < champion
        alive, crossed, before = np.ones(1), 0.0, 0  # alive: by wins, the chance that no look crossed
        for look in [*(k for k in looks(self.cap, self.block) if k < n), n]:
            over = crossed + _tail(alive) < self._spent(before)
            crossed += alive[over].sum()
            decided = int((won | lost)[before:look].sum())
            alive = np.convolve(np.where(over, 0.0, alive), binomial(decided, np.array([0.5]))[0])
            before = look
        return float(-np.log(max(crossed + _tail(alive)[int(won[:n].sum())], 1e-300)))

    def boundary(self, n: int) -> float:
        """What the evidence must exceed."""
        return float(-np.log(self._spent(n)))

    def can_still_promote(self, champion: np.ndarray, candidate: np.ndarray, n: int) -> bool:
        """Whether winning every pair that is left would cross."""
        left = self.cap - n
        worst, best = np.append(champion, np.zeros(left)), np.append(candidate, np.ones(left))
        later = [look for look in looks(self.cap, self.block) if look > n]
        return any(self.evidence(worst[:k], best[:k], k) > self.boundary(k) for k in later)

    def _spent(self, n: int) -> float:
        return self.level * n / self.cap


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


def _tail(chances: np.ndarray) -> np.ndarray:
    """The chance of each count or more."""
    return chances[::-1].cumsum()[::-1]
