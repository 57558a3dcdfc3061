"""A comparison of two policies: on a task, block by block, and then on every further task.

The champion's sample is all it collected; the candidate is played in blocks on seeds of its own until the
sequential test decides. Where `[gate] champion` is `fresh`, both are played, in turns. All that is played is
data and stays in the dataset. What could not be played is a failure of the candidate and a success of the
champion, also in what a guard looks at: it never helps a promotion. The gate and comparisons by hand both
run through here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...datasets import Batch
from ..episodes.play import Play, Session, play
from ..episodes.sample import failures, scores, scores_by_seed
from ..errors import LoopError
from ..statistics.paired import pairing
from ..statistics.wilson import wilson
from ..workspace.verdict import Verdict
from .comparison import Test, make_test, tally
from .decision import decide, decided
from .guards import Guard, look

OTHERS = 2**16
"""Seeds that each further task has for itself."""


def contest(
    session: Session,
    test: Test,
    *,
    champion: str,
    new: Play,
    old: Play | None,
    given: Sequence[Batch] = (),
    guards: Sequence[Guard] = (),
) -> Verdict:
    """Compare a candidate with the policy `champion`, block by block, until the test decides.

    `new` are the candidate's episodes. The champion's are `given`, or `old`, which are played too; on the
    same seeds, both are paired. Blocks that are committed already are found again, so a comparison that was
    killed goes on with the evidence it had. Raises LoopError where the champion has no episodes at all.
    """
    if not (given or old):
        raise LoopError(f"{champion} has no episodes to compare {new.policy} with")
    note = ""

    def progress(what: str, done: int, total: int, text: str) -> None:
        session.progress(what, done, total, text + note)

    noted = replace(session, progress=progress)
    for before, after in _arms(noted, new, old, given, guards):
        n = len(after.scores)
        if test.kind != "scores" and (graded := _graded(test, (champion, new.policy), before, after)):
            return graded.model_copy(update={"task": new.task})
        tallies = tally(test, before.scores), tally(test, after.scores)
        note = f", evidence {test.evidence(*tallies, n):.2f} of {test.boundary(n):.2f}"
        looks = [look(guard, before.numbers[guard], after.numbers[guard], test.level) for guard in guards]
        names = champion, new.policy
        verdict = decide(test, names=names, champion=tallies[0], candidate=tallies[1], n=n, guards=looks)
        if verdict is None:
            continue
        update: dict[str, Any] = {"task": new.task}
        if old and (old.purpose, old.first) == (new.purpose, new.first):
            update |= {"champion_arm": "paired", "pairing": pairing(before.scores, after.scores)}
        return verdict.model_copy(update=update)
    raise LoopError(f"{new.name} of round {new.round} ended without a verdict after {new.episodes} episodes")


def _graded(test: Test, names: tuple[str, str], before: "_Arm", after: "_Arm") -> Verdict | None:
    """The verdict of a test for scores of 0 and 1 once there are others; None while there are none."""
    graded = [who for who, arm in zip(names, (before, after)) if not np.isin(arm.scores, (0.0, 1.0)).all()]
    if not graded:
        return None
    reason = (
        f"{graded[0]} scored between 0 and 1, which no policy had so far: the next comparison is one of means"
    )
    total, won, n = float(before.scores.sum()), float(after.scores.sum()), len(after.scores)
    verdict = decided(test, ("undecided", reason), names=names, champion=total, given=len(before.scores))
    played = {"candidate_successes": won, "candidate_n": n, "candidate_interval": wilson(won, n)}
    return verdict.model_copy(update=played)


class _Arm:
    """Scores of one policy, `[n]`, and its numbers for each guard.

    `failed` is the score, and the number, of an episode that could not be played.
    """

    def __init__(self, guards: Sequence[Guard], failed: float) -> None:
        self.scores, self.failed = np.zeros(0), failed
        self.numbers = {guard: np.zeros(0) for guard in guards}

    def add(self, batch: Batch, scores: np.ndarray) -> None:
        self.scores = np.append(self.scores, scores)
        failed = np.full(len(failures(batch)), self.failed)
        for guard, numbers in self.numbers.items():
            self.numbers[guard] = np.concatenate([numbers, guard.values(batch), failed])


def _arms(
    session: Session, new: Play, old: Play | None, given: Sequence[Batch], guards: Sequence[Guard]
) -> Iterator[tuple[_Arm, _Arm]]:
    """Yield champion and candidate after each block of the candidate.

    Where both are played, they take turns in who plays a block first, so that a drift of the conditions
    meets them alike; they are seen when they have played equally many.
    """
    space, champion, candidate = session.space, _Arm(guards, failed=1.0), _Arm(guards, failed=0.0)
    for batch in given:
        champion.add(batch, scores(space, [batch], champion.failed))
    played = [(champion, play(session, old))] if old else []
    played.append((candidate, play(session, new)))
    for block in range(-(-new.episodes // new.block)):
        due = min((block + 1) * new.block, new.episodes)
        for arm, batches in played if block % 2 == 0 else reversed(played):
            while len(arm.scores) < due:
                batch = next(batches)
                # In the order of the seeds: pairs are made by position.
                arm.add(batch, scores_by_seed(space, batch, new.task, arm.failed))
        if not old or len(champion.scores) == len(candidate.scores):
            yield champion, candidate


def elsewhere(session: Session, verdict: Verdict, target: Play) -> Verdict:
    """The verdict once the winner was compared on every further task too, or failed on one.

    Both arms are played there, in step. A sample that the champion keeps would seldom serve twice: a
    candidate that gets here and is no worse replaces the champion.
    """
    settings = session.space.config.gate
    for k, (task, margin) in enumerate(settings.others.items(), start=1):
        fresh = settings.model_copy(update={"champion": "fresh", "margin": -margin, "futility": 0.0})
        test = make_test(fresh, 0, verdict.level, binary=verdict.test != "scores")
        new = replace(target, first=k * OTHERS, task=task)
        old = replace(new, name="gate-champion", policy=verdict.champion, purpose="reference")
        other = contest(session, test, champion=verdict.champion, new=new, old=old)
        others = (*verdict.others, other)
        if other.decision != "promoted":
            reason = f"{verdict.reason}; but on {task} {other.reason}"
            update = {"others": others, "decision": other.decision, "reason": reason}
            return verdict.model_copy(update=update)
        reason = f"{verdict.reason}; on {task} no worse: {other.reason}"
        verdict = verdict.model_copy(update={"others": others, "reason": reason})
    return verdict
