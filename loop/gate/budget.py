"""How the run's chance of a wrong promotion is spent over its rounds."""

from collections.abc import Sequence

from ..errors import LoopError
from ..workspace.verdict import Verdict
from ..workspace.workspace import Workspace

EVEN_ROUNDS, EVEN_SHARE = 8, 0.9
LEAST = 1e-7
"""Below this level `sequential.calibrate` may find no boundary that keeps it."""


def round_level(total: float, earlier: Sequence[Verdict]) -> float:
    """The chance of a wrong promotion that the next round may spend.

    Nine tenths of the total are spread evenly over the first eight rounds, the rest over all later ones
    as 1 / (j (j + 1)). A round inherits what the round before it had if that round promoted: a level that
    led to a promotion was not lost. This is the online fallback procedure (Tian and Ramdas, 2021, Stat.
    Methods Med. Res. 30); the chance of *any* wrong promotion in the run stays below `total`, since the
    levels of all rounds that did not promote, and of the first wrong one, never add up to more.

    Every round gets something, but the levels become small: of a total of 0.05, 0.083 % in round 10 and less
    than 1e-7 in round 232 if none was promoted.

    `total` is the run's budget, `earlier` the verdicts of the rounds before, in order.
    """
    inherited = earlier[-1].level if earlier and earlier[-1].decision == "promoted" else 0.0
    j = len(earlier) + 1 - EVEN_ROUNDS
    share = EVEN_SHARE / EVEN_ROUNDS if j <= 0 else (1 - EVEN_SHARE) / (j * (j + 1))
    return total * share + inherited


def level_of_round(space: Workspace, number: int) -> float:
    """The same for a round of a workspace. Raises LoopError, with the way on, where no test can keep it."""
    earlier = [verdict for k in space.rounds() if k < number and (verdict := space.record(Verdict, k))]
    total = space.config.gate.level
    if (level := round_level(total, earlier)) >= LEAST:
        return level
    raise LoopError(
        f"after {len(earlier)} rounds too little is left of [gate] level = {total:g} for a test to keep; "
        f"go on from the champion in a new workspace: pacloop init --from {space.place} --workspace NEW"
    )
