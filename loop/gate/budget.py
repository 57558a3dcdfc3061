"""How the run's chance of a wrong promotion is spent over its rounds."""

from collections.abc import Sequence

from ..workspace.verdict import Verdict

EVEN_ROUNDS, EVEN_SHARE = 8, 0.9


def round_level(total: float, earlier: Sequence[Verdict]) -> float:
    """The chance of a wrong promotion that the next round may spend.

    Nine tenths of the total are spread evenly over the first eight rounds, the rest over all later ones
    as 1 / (j (j + 1)). A round inherits what the round before it had if that round promoted: a level that
    led to a promotion was not lost. This is the online fallback procedure (Tian and Ramdas, 2021, Stat.
    Methods Med. Res. 30); the chance of *any* wrong promotion in the run stays below `total`, since the
    levels of all rounds that did not promote, and of the first wrong one, never add up to more.

    Every round gets something, but the levels become small: of a total of 0.05, less than 1e-7 in round 232
    if none was promoted, and 5e-9 after a thousand. Somewhere below 1e-7 `sequential.calibrate` finds no
    boundary that keeps the level, and refuses it.

    `total` is the run's budget, `earlier` the verdicts of the rounds before, in order.
    """
    inherited = earlier[-1].level if earlier and earlier[-1].decision == "promoted" else 0.0
    j = len(earlier) + 1 - EVEN_ROUNDS
    share = EVEN_SHARE / EVEN_ROUNDS if j <= 0 else (1 - EVEN_SHARE) / (j * (j + 1))
    return total * share + inherited
