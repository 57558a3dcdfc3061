"""The evidence for "the candidate is better by more than a margin" in two counts of successes.

    Z = sign(s1/n1 - s0/n0 - m) * sqrt(2 * (l(s0, n0) + l(s1, n1) - max_p l(s0, n0; p) + l(s1, n1; p + m)))
    l(s, n) = s log(s/n) + (n - s) log(1 - s/n)

is the signed root of twice the log likelihood ratio of "two rates" against "rates that differ by m".
It grows with s1 and falls with s0.
"""

import numpy as np


def signed_root(s0: np.ndarray, n0: np.ndarray, s1: np.ndarray, n1: np.ndarray, margin: float) -> np.ndarray:
    """Z of s0 successes of n0 champion episodes and s1 of n1 candidate episodes; integers, broadcast."""
    free = _best(s0, n0) + _best(s1, n1)
    if margin == 0.0:
        tied, side = _best(s0 + s1, n0 + n1), np.sign(s1 * n0 - s0 * n1)
    else:
        rate = _tied_rate(s0, n0, s1, n1, margin)
        tied = _at(s0, n0, rate) + _at(s1, n1, rate + margin)
        side = np.sign(s1 / n1 - s0 / n0 - margin)
    return side * np.sqrt(2 * np.maximum(free - tied, 0.0))


def _best(s: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The log likelihood at the rate s / n."""
    from scipy.special import xlogy  # see `chances.binomial`

    return xlogy(s, s) + xlogy(n - s, n - s) - xlogy(n, n)


def _at(s: np.ndarray, n: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """The log likelihood at a given rate."""
    inside = np.clip(rate, 1e-15, 1 - 1e-15)
    return s * np.log(inside) + (n - s) * np.log1p(-inside)


def _tied_rate(s0: np.ndarray, n0: np.ndarray, s1: np.ndarray, n1: np.ndarray, margin: float) -> np.ndarray:
    """The champion's most likely rate where the candidate's is `margin` more: a root of a cubic.

    Miettinen and Nurminen (1985), Stat. Med. 4, appendix I.
    """
    n, s = n0 + n1, s0 + s1
    square = ((n1 + 2 * n0) * margin - n - s) / (3 * n)
    linear = ((n0 * margin - n - 2 * s0) * margin + s) / (3 * n)
    shift = square**3 - 1.5 * linear * square + s0 * margin * (1 - margin) / (2 * n)
    scale = np.where(shift < 0, -1.0, 1.0) * np.sqrt(np.maximum(square**2 - linear, 0.0))
    cosine = shift / np.where(scale == 0, 1.0, scale**3)
    angle = (np.pi + np.arccos(np.clip(cosine, -1.0, 1.0))) / 3
    return np.clip(2 * scale * np.cos(angle) - square, max(0.0, -margin), min(1.0, 1 - margin))
