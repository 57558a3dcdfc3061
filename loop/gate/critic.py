"""The Q screen: what the critics think of a candidate, before anything is played.

Some blocks of every collection are kept out of learning (`[screen] held_out`). At their states the
candidate chooses in each of its ways of acting, and so does the champion; both critics judge. Where the
learner kept weights of earlier steps (`[learn] checkpoints`), each of them is a candidate with a critic of
its own. A critic that chose an action overrates it, so all are ordered by what the *champion's* critic
expects, one judge for all, and the advantage over the champion is the mean of what both critics say, each
of which favours its own.

The order and a "no" serve only where they have earned it in this workspace's past rounds (`trust`): until
then the figures are on the verdict and nothing else changes.

* order: each past race gives Kendall's tau between the screen's order and the race's. Against "tau is
  zero or less on average" one bets on (tau + 1) / 2 (`betting.py`): a screen that knows nothing is ever
  trusted, in a run of any length, with at most `[screen] error` chance. A trusted one drops the worse
  half of all entrants before the race, and breaks its ties. What it showed on ways of acting alone says
  nothing of checkpoints: only rounds count that had both, or had neither, as this one does.
* rejection: the screen says no where the whole interval of the advantage of its favourite is below
  zero. Of the past rounds in which it said so, the gate found the candidate to do worse, or not. Against
  "it is right in half of them or less" the same bet is made. A trusted no rejects without a rollout.

Both bets need at least nine right answers at an error of .05.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from ...datasets import Batch, Snapshot
from ...learner.checkpoint import read_policy
from ...learner.critic_check import Visited, calibration, choose, discrimination, mean_interval, visit
from ...learner.policy import Acting, Policy
from ..episodes.play import Pool
from ..errors import LoopError
from ..progress import Progress, Stopwatch
from ..stages.entrants import Entrant, everyone, label
from ..statistics.betting import log_wealth
from ..views.rounds import of_stage
from ..workspace.workspace import Outcome, Workspace

MOST_BATCHES = 4
"""So many of the newest are looked at: two seconds of one core, and old champions' states matter less."""


def learnable(batches: Sequence[Batch], share: float) -> list[Batch]:
    """Those that a learner may read: all but every so manieth block of each collection.

    A function of a batch's name alone, so what was once kept out stays out while `share` stays as it is.
    """
    every = round(1 / share) if share else 0
    return [
        batch for batch in batches if not (every and batch.source == "collection" and _last(batch, every))
    ]


def _last(batch: Batch, every: int) -> bool:
    number = batch.id.rpartition("-")[2]
    return number.isdecimal() and (int(number) + 1) % every == 0


def held_out(space: Workspace, number: int) -> Snapshot:
    """The newest collected blocks that no learner has read up to a round, whatever the settings were then."""
    pinned = [space.outcome(k, "append") for k in space.rounds() if k <= number]
    read = {name for outcome in pinned if outcome for name, _ in outcome["snapshot"]["batches"]}
    kept = [
        batch
        for batch in space.store.batches()
        if batch.source == "collection" and (batch.round or 0) <= number and batch.id not in read
    ]
    kept.sort(key=lambda batch: (batch.round or 0, batch.id))
    return space.store.snapshot(batches=kept[-MOST_BATCHES:])


def screen(space: Workspace, number: int, _pool: Pool, progress: Progress) -> Outcome:
    """Ask both critics about the round's candidate, and settle what the race and the gate may do with it."""
    if done := space.outcome(number, "screen"):
        return done
    watch, learned, begun = Stopwatch(), space.outcome(number, "learn"), space.outcome(number, "begin")
    if learned is None or begun is None:
        raise LoopError(f"round {number} has no learn yet; run: pacloop learn")
    kept = held_out(space, number)
    outcome: Outcome = {"policy": learned["policy"], "champion": begun["champion"], "episodes": 0, "ways": []}
    if kept.batches:
        progress("screen", 0, 1, f"{len(kept.batches)} blocks kept out of learning")
        outcome |= ask(space, learned, begun["champion"], kept)
    trusted = trust(space, number)
    says_no = bool(outcome["ways"]) and (outcome["advantage"]["high"] or 0.0) < 0.0
    outcome |= {
        "trust": trusted,
        "says_no": says_no,
        "rejects": says_no and trusted["rejection"]["earned"],
        "seconds": watch.sec,
    }
    progress("screen", 1, 1, sentence(outcome))
    return space.write_outcome(number, "screen", outcome)


def ask(space: Workspace, learned: Outcome, champion: str, kept: Snapshot) -> Outcome:
    """The figures at the states of `kept`: of the candidate's critic, of all entrants, of the favourite.

    The favourite is the entrant of which the champion's critic expects most; the advantage is its.
    """
    import torch

    torch.set_num_threads(space.config.learn.threads)
    old, new = (read_policy(space.policy_folder(policy)) for policy in (champion, learned["policy"]))
    history = new.network.config.history
    visited = visit(space.store, kept, discount=space.config.learn.discount, history=history)
    q = new.q(visited.observation, visited.action)
    asked = _consult_all(space, learned, old, visited)
    favourite, by_old, by_own = max(asked, key=lambda each: each[1].mean())
    critic, before = read_policy(space.policy_folder(favourite.policy)), choose(old, visited, seed=0)
    gains = by_old - old.q(visited.observation, before), by_own - critic.q(visited.observation, before)
    return {
        "episodes": visited.episodes,
        "steps": len(q),
        "batches": list(kept.batch_ids),
        "ways": [
            {**entrant.facts(), "q": float(judged.mean()), "own_q": float(own.mean())}
            for entrant, judged, own in asked
        ],
        "advantage": mean_interval((gains[0] + gains[1]) / 2, visited.episode)
        | {
            **favourite.facts(),
            "by_champion": float(gains[0].mean()),
            "by_candidate": float(gains[1].mean()),
        },
        **_worth(q, visited),
    }


def _consult_all(
    space: Workspace, learned: Outcome, old: Policy, visited: Visited
) -> list[tuple[Entrant, np.ndarray, np.ndarray]]:
    """For each entrant, in their order, what the champion's critic expects of it and its own, `[M]` each."""
    found = []
    for policy, group in groupby(everyone(space, learned), key=lambda entrant: entrant.policy):
        own, new = list(group), read_policy(space.policy_folder(policy))
        said = consult(old, new, visited, [entrant.way for entrant in own])
        found += [(entrant, by_old, by_new) for entrant, (_, by_old, by_new) in zip(own, said)]
    return found


def consult(
    old: Policy, new: Policy, visited: Visited, acting: Sequence[Acting]
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """For each way in which `new` may act, what the critics of `old` and `new` expect of it, `[M]` each."""
    found = []
    for way in acting:
        chosen = choose(Policy(new.network, new.schema, way), visited, seed=0)
        found.append((str(way), old.q(visited.observation, chosen), new.q(visited.observation, chosen)))
    return found


def with_screen(space: Workspace, number: int, verdict: Outcome) -> Outcome:
    """The verdict with the screen's figures, and those of the candidate's critic on its own gate episodes.

    No learner has read those either, and they are of the policy whose return the critic is to tell.
    """
    screened = space.outcome(number, "screen")
    if screened is None:
        return verdict
    own = of_stage(space.store.batches(), number, "gate")
    figures = {key: value for key, value in screened.items() if key not in ("batches", "seconds")}
    if own:
        candidate = read_policy(space.policy_folder(verdict["candidate"]))
        played = visit(
            space.store,
            space.store.snapshot(batches=own[:MOST_BATCHES]),
            discount=space.config.learn.discount,
            history=candidate.network.config.history,
        )
        q = candidate.q(played.observation, played.action)
        figures["own_episodes"] = {"episodes": played.episodes, **_worth(q, played)}
    return verdict | {"screen": figures}


def trust(space: Workspace, number: int) -> dict[str, Any]:
    """What the screen has earned in the rounds before this one: `order` and `rejection`."""
    agreed, right = [], []
    several = "checkpoints" in (space.outcome(number, "learn") or {})
    for k in [k for k in space.rounds() if 0 < k < number]:
        screened, raced, verdict = (space.outcome(k, stage) for stage in ("screen", "race", "gate"))
        if screened is None or any("step" in each for each in screened["ways"]) is not several:
            continue
        if raced and (tau := agreement(screened["ways"], raced["tried"])) is not None:
            agreed.append((tau + 1) / 2)
        if verdict and verdict["candidate_n"] and screened["says_no"]:
            right.append(float(_rate(verdict, "candidate") < _rate(verdict, "champion")))
    error = space.config.screen.error
    return {"order": _earned(agreed, error), "rejection": _earned(right, error)}


def agreement(asked: Sequence[Outcome], tried: Sequence[Outcome]) -> float | None:
    """Kendall's tau-b of the screen's values and the race's rates; None where one tells nothing apart."""
    from scipy.stats import kendalltau

    rates = {label(each): each["successes"] / each["episodes"] for each in tried if each["episodes"]}
    pairs = [(each["q"], rates[label(each)]) for each in asked if label(each) in rates]
    if len(pairs) < 2 or any(len(set(values)) < 2 for values in zip(*pairs)):
        return None
    values, found = zip(*pairs)
    tau: Any = kendalltau(values, found)
    return float(tau.statistic)


def sentence(screened: Outcome) -> str:
    """What the screen found, in one sentence."""
    if not screened["ways"]:
        return "no episodes are kept out of learning yet"
    gain, auc = screened["advantage"], screened["discrimination"]["auc"]
    told = "it has both outcomes nowhere" if auc is None else f"it tells success at {auc:.2f}"
    between = "" if gain["low"] is None else f" ({gain['low']:+.3f} to {gain['high']:+.3f})"
    return (
        f"on {screened['episodes']} episodes kept out: {label(gain)} {gain['mean']:+.3f}{between} over "
        f"the champion; {told}, and is off by {screened['calibration']['error']:.3f}"
    )


def _worth(q: np.ndarray, visited: Visited) -> dict[str, Any]:
    return {
        "discrimination": discrimination(q, visited.step, visited.won),
        "calibration": calibration(q, visited.returned),
    }


def _earned(scores: list[float], error: float) -> dict[str, Any]:
    """Whether scores in [0, 1] bear out that their mean is above a half, by betting on it."""
    evidence = float(log_wealth(np.array(scores), np.array([0.5]))[0]) if scores else 0.0
    limit = float(-np.log(error))
    return {"rounds": len(scores), "evidence": evidence, "limit": limit, "earned": evidence >= limit}


def _rate(verdict: Outcome, arm: str) -> float:
    return verdict[f"{arm}_successes"] / verdict[f"{arm}_n"]
