"""Episodes of one policy, in blocks that are committed one by one.

A block is the unit that survives a kill, and the unit in which a gate looks: it is counted only when
all its seeds have ended, since short episodes end first and are not like long ones. Those that have ended are
kept in a journal until then. What could not be played is on record in the batch, as `failed` in its origin; a
block of which nothing could be played goes on with the seeds after it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import count
from typing import Any

from ...actors.rollout.collector import CollectError
from ...actors.rollout.slot import Failure
from ...datasets import Batch, Episode
from ...datasets.errors import DatasetError
from ...datasets.files import fingerprint
from ...learner.checkpoint import read_record, weights_file
from ..progress import stopwatch
from ..workspace.machine import physics
from .journal import Journal
from .order import Play, Session
from .sample import failures, is_own, player, sample_of
from .seeds import episode_seeds


def play(session: Session, order: Play) -> Iterator[Batch]:
    """Yield the blocks in order; committed ones are found again, the others are played first.

    Raises DatasetError where a committed block was played by another policy, or by other weights: somebody
    changed what this stage was about, and mixing the two would be a lie. Raises CollectError where more
    episodes of a block fail than `[collect] failures` allows.
    """
    playing, first = _Playing(session, order), 0
    for number in count():
        if first >= order.episodes:
            return
        batch = playing.found(number) or playing.commit(number, first)
        first += batch.episodes + len(failures(batch))
        playing.successes += batch.successes
        session.progress(order.name, first, order.episodes, f"success {playing.successes / first:.0%}")
        yield batch


def tally(session: Session, order: Play) -> dict[str, Any]:
    """Play all of it, and how it went, as `records.Tally` has it."""
    watch, batches = stopwatch(), list(play(session, order))
    sample = sample_of(batches)
    return {
        "episodes": sample.episodes,
        "successes": sample.successes,
        "rate": sample.rate,
        "interval": sample.interval,
        "binary": all(batch.binary for batch in batches),
        "steps": sample.steps,
        "failed": sample.failed,
        "seconds": watch(),
    }


class _Playing:
    """An order that is being played."""

    def __init__(self, session: Session, order: Play) -> None:
        self.session, self.order, self.space = session, order, session.space
        folder = self.space.policy_folder(order.policy)
        record = read_record(folder)
        self.record = replace(record, acting=order.acting or record.acting)
        self.weights = weights_file(folder)
        self.store = self.space.store_of(order.task)
        self.successes = 0
        self.origin = {
            "policy": order.policy,
            "acting": str(self.record.acting),
            "stage": order.name,
            "horizon": self.store.schema.horizon,
            "physics": physics(order.task or self.space.config.task),
            "workspace": self.space.id,
            "weights": fingerprint(self.weights),
        }

    def found(self, number: int) -> Batch | None:
        """The block of a number where it is committed, also one from before workspaces had identities."""
        for name in (self._name(number), f"{self.order.prefix}{self.order.name}-{number:05d}"):
            if self.store.holds(name) and is_own(self.space, batch := self.store.batch(name)):
                self._check(batch)
                return batch
        return None

    def commit(self, number: int, first: int) -> Batch:
        """Play the block that begins with the `first` seed, and commit it."""
        name, order = self._name(number), self.order
        about = [name, self.origin, order.task or self.space.config.task, first, self.space.config.seed]
        room = "evaluations" if order.purpose == "manual" else "rounds"
        journal = Journal(self.space.folder / "playing" / room, self.store.schema, about)
        episodes, failed = self._play(journal, first)
        batch = self.store.append(
            sorted(episodes, key=lambda episode: episode.seed or 0),
            batch_id=name,
            source=order.source,
            round=order.of_round,
            origin=self.origin | ({"failed": [asdict(failure) for failure in failed]} if failed else {}),
        )
        journal.remove()
        return batch

    def _name(self, number: int) -> str:
        return f"{self.order.prefix}{self.order.name}-{self.space.id[:8]}-{number:05d}"

    def _check(self, batch: Batch) -> None:
        who = player(batch)
        if who == self.order.policy:
            if batch.origin.get("weights", self.origin["weights"]) == self.origin["weights"]:
                return
            who = f"other weights of {who}"
        raise DatasetError(f"batch {batch.id} was played by {who}, but must be {self.order.policy}'s")

    def _play(self, journal: Journal, first: int) -> tuple[list[Episode], list[Failure]]:
        """The episodes of a block, and those that could not be played."""
        order, rest = self.order, self.order.episodes - first
        seeds = episode_seeds(
            order.purpose,
            run=self.space.config.seed,
            round=order.round,
            first=order.first + first,
            count=rest,
        )
        found = {episode.seed: episode for episode in journal.found}
        episodes, failed, done = list[Episode](), list[Failure](), 0
        while done < rest and not episodes:
            block = seeds[done : done + order.block]
            done += len(block)
            episodes += [found[seed] for seed in block if seed in found]
            for outcome in self._outcomes(journal, [seed for seed in block if seed not in found]):
                if isinstance(outcome, Episode):
                    episodes.append(outcome)
                else:
                    failed.append(outcome)
                successes = self.successes + sum(episode.is_success for episode in episodes)
                so_far = first + len(episodes) + len(failed)
                note = f"success {successes / so_far:.0%}"
                self.session.progress(order.name, so_far, order.episodes, note)
                self._check_failures(failed, done)
        if not episodes:
            raise CollectError(
                f"no episode of the last block of {order.name} can be played: {failed[-1].reason}"
            )
        return episodes, failed

    def _outcomes(self, journal: Journal, seeds: Sequence[int]) -> Iterator[Episode | Failure]:
        """The outcomes of some seeds; the journal keeps the episodes, also where this is interrupted."""
        elsewhere = {"task": self.order.task} if self.order.task else {}
        if not seeds:
            return
        try:
            for outcome in self.session.pool().run(self.record, self.weights, seeds, **elsewhere):
                if isinstance(outcome, Episode):
                    journal.add(outcome)
                yield outcome
        except BaseException:
            journal.write()
            raise

    def _check_failures(self, failed: Sequence[Failure], seeds: int) -> None:
        share = self.space.config.collect.failures
        if len(failed) > max(1, share * seeds):
            raise CollectError(
                f"{len(failed)} of {seeds} episodes of {self.order.name} could not be played, more than "
                f"[collect] failures = {share:g} allows; the others are kept, and the same command goes on. "
                f"The last cause: {failed[-1].reason}"
            )
