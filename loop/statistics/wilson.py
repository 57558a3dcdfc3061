"""A rate, and how sure one may be of it."""

import math
from statistics import NormalDist


def wilson(successes: float, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a rate, two-sided. Wilson (1927), JASA 22. `(0, 1)` where n is 0."""
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate, zz = successes / n, z * z / n
    centre = (rate + zz / 2) / (1 + zz)
    half = z / (1 + zz) * math.sqrt(rate * (1 - rate) / n + zz / (4 * n))
    return max(0.0, centre - half), min(1.0, centre + half)
