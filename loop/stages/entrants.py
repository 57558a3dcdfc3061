"""Who may become a round's candidate: the weights that its learner kept, each in its ways of acting.

A learner keeps its last weights and, where `[learn] checkpoints` says so, some of earlier steps. The screen
is asked about all of them in all ways. What is then played is settled before any rollout:

* a screen that has earned it drops the worse half, and leaves no more than there are ways of acting (two
  at least): such a race costs no more than that of the last weights in all ways;
* else the last weights are raced in all ways, as without checkpoints, and earlier ones only in the way in
  which the champion acts, the newest first and no more than `MOST_DEARER` allows. The way is fixed before
  the race, so that to a screen that knows nothing all entrants are alike, as its trust demands.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...learner.checkpoint import read_record
from ...learner.policy import Acting
from ..workspace.workspace import Outcome, Workspace

MOST_DEARER = 2.0
"""So many times the episodes of a race of the last weights alone may be played. Where there is but one way
of acting there would be no such race, and each earlier checkpoint costs a lap."""


@dataclass(frozen=True)
class Entrant:
    """Weights that a round's learner kept, and a way of acting with them.

    Attributes:
      policy: id of the weights, as the learner wrote them.
      way: how they act.
      step: the step after which they were kept; None for the last.
      place: of the weights among all that were kept: 0 for the last, then from the oldest on.
    """

    policy: str
    way: Acting
    step: int | None = None
    place: int = 0

    def __str__(self) -> str:
        """As tables and verdicts name it."""
        return label(self.facts())

    @property
    def short(self) -> str:
        """As part of a name: `sample`, `n4`, `n4-t0.01`, `s2500-n4`."""
        return short(self.way) if self.step is None else f"s{self.step}-{short(self.way)}"

    @property
    def order(self) -> tuple[int, int, float]:
        """The last weights first, then the fewest actions: they are the cheapest."""
        return self.place, self.way.actions, self.way.temperature

    def facts(self) -> Outcome:
        """As outcomes hold it; `label` names it again."""
        return {"way": str(self.way)} | ({} if self.step is None else {"step": self.step})


def label(facts: Outcome) -> str:
    """What an outcome says of an entrant, in words: `q_guided of 4`, `q_guided of 4 (step 2500)`."""
    way = facts.get("way") or f"q_guided of {facts['actions']}"  # all that the first races told
    return way + (f" (step {facts['step']})" if "step" in facts else "")


def short(way: Acting) -> str:
    """A way of acting as part of a name."""
    if way.mode != "q_guided":
        return way.mode
    return f"n{way.actions}" + (f"-t{way.temperature:g}" if way.temperature else "")


def everyone(space: Workspace, learned: Outcome) -> list[Entrant]:
    """All of them, in their order; `learned` is the outcome of the round's stage `learn`."""
    own = read_record(space.policy_folder(learned["policy"])).acting
    kept = [(learned["policy"], None), *((k["policy"], k["step"]) for k in learned.get("checkpoints", ()))]
    return [
        Entrant(policy, way, step, place)
        for place, (policy, step) in enumerate(kept)
        for way in ways(space, own) or [own]
    ]


def ways(space: Workspace, acting: Acting) -> list[Acting]:
    """The ways to try, the policy's own among them; none where there is nothing to choose."""
    if acting.mode != "q_guided" or not space.config.act.trial_actions:
        return []
    settings = space.config.act
    found = {
        replace(acting, actions=count, temperature=temperature)
        if count > 1
        else Acting("sample", 1, acting.floor)
        for count in settings.trial_actions
        for temperature in {0.0, *settings.trial_temperatures}
    }
    return sorted(found | {acting}, key=lambda way: (way.actions, way.temperature))


def entrants(
    space: Workspace, number: int, found: Sequence[Entrant]
) -> tuple[list[Entrant], dict[str, float]]:
    """Those of `found` that are raced, and what a screen that has earned it expects of each, by name.

    A screen that rejects the candidate leaves none to be played.
    """
    screened = space.outcome(number, "screen")
    if screened is None or not screened["ways"]:
        return _unasked(space, number, found), {}
    if screened["rejects"]:
        return [], {}
    if not screened["trust"]["order"]["earned"]:
        return _unasked(space, number, found), {}
    asked = {label(each): each["q"] for each in screened["ways"]}
    ranked = sorted(found, key=lambda entrant: -asked.get(str(entrant), 0.0))
    last = sum(entrant.step is None for entrant in found)
    return ranked[: min(-(-len(found) // 2), max(last, 2))], asked


def laps(entrants: int) -> int:
    """What a race of so many costs, in episodes of an entrant's first lap; see `race.py`."""
    played, lap = 0, 1
    while entrants > 1:
        played += entrants * (lap - lap // 2)
        entrants, lap = entrants // 2, 2 * lap
    return played


def _unasked(space: Workspace, number: int, found: Sequence[Entrant]) -> list[Entrant]:
    """The last weights in all ways, and as many earlier ones in the champion's as can be afforded."""
    last = [entrant for entrant in found if entrant.step is None]
    if len(last) == len(found):
        return last
    champion = space.require(number, "begin")["champion"]
    own, way = (str(read_record(space.policy_folder(who)).acting) for who in (last[0].policy, champion))
    way = way if way in [str(entrant.way) for entrant in last] else own
    earlier = [entrant for entrant in found if entrant.step is not None and str(entrant.way) == way]
    while len(last) > 1 and laps(len(last) + len(earlier)) > MOST_DEARER * laps(len(last)):
        earlier.pop(0)
    return last + earlier
