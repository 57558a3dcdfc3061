"""A learner run: from a replay and starting weights to new weights.

A run is a function of (replay, configuration, starting weights, seed). It saves itself into its
folder as it goes; called again with the same arguments after a kill, it goes on from there and ends
in the same weights, because every step draws from generators made of (seed, step).

What is not finite is never saved and never the result. A run whose weights are not, goes back to what it
saved last and on from there with a lower learning rate, once; where that was says its figure
`lowered_at_step`. Such a run is a function of the moments of its saves too.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...datasets import Replay, Schema
from ...datasets.errors import PacloopError
from ..config import LearnConfig, PacConfig
from .feed import Feed
from .state import append_figures, go_back, has_state, restore_state, run_identity, save_state
from .step import LOWERED, Networks, acting_weights, make_networks, move_target, train_step

Progress = Callable[[int, Mapping[str, float]], None]
"""Called with the steps taken and the run's latest figures."""

REPORT_EVERY_STEPS = 50


class DivergedError(PacloopError):
    """A run whose weights are not finite, also at a lower learning rate."""


def learn(
    replay: Replay,
    *,
    schema: Schema,
    network: PacConfig,
    config: LearnConfig,
    seed: int,
    folder: Path,
    start: Mapping[str, Tensor] | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Train for `config.steps` steps, going on from what `folder` holds.

    Returns the weights that act, and the last figures. Raises DivergedError.

    Args:
      replay: its n-step and discount must be those of `config`.
      schema: the steps of the task.
      network: its size.
      config: of the run.
      seed: of the initial weights, the batches and the sampled actions.
      folder: the run's own; `state.py` says what is in it.
      start: weights to start from; fresh ones where None.
      progress: called every few dozen steps.
    """
    torch.set_num_threads(config.threads)
    folder.mkdir(parents=True, exist_ok=True)
    networks = make_networks(schema, network, config, seed=seed, start=start)
    identity = run_identity(replay, network, config, seed=seed, start=networks.online.state_dict())
    figures = restore_state(folder, networks, identity)
    run = _Run(networks, Feed(replay, schema, config, seed), config, folder, figures)
    run.finish(progress)
    return acting_weights(networks, config), run.figures


class _Run:
    """The loop. Steps and saves take turns on one thread, where no interrupt can tear them."""

    def __init__(
        self, networks: Networks, feed: Feed, config: LearnConfig, folder: Path, figures: dict[str, float]
    ) -> None:
        self.networks, self.feed, self.config, self.folder = networks, feed, config, folder
        self.figures = figures
        """Of the last step that was reported."""
        self._turns = ThreadPoolExecutor(1)
        self._turns.submit(int).result()  # an interrupt while its thread starts would make it two threads
        self._first_step, self._started_sec = networks.step, time.monotonic()

    def finish(self, progress: Progress | None) -> None:
        """Take all steps that are left; an interrupt saves the state before it goes on its way."""
        saved_sec = time.monotonic()
        try:
            if not has_state(self.folder):  # what was restored lies there already
                self._save()
            while self.networks.step < self.config.steps:
                reported = result_of(self._turns.submit(self._advance))
                if reported and progress:
                    progress(self.networks.step, self.figures)
                if time.monotonic() - saved_sec > self.config.save_every_sec:
                    self._save()
                    saved_sec = time.monotonic()
        except KeyboardInterrupt:
            self._save()
            raise

    def _save(self) -> None:
        if result_of(self._turns.submit(self.networks.is_finite)):
            result_of(self._turns.submit(save_state, self.folder, self.networks))

    def _advance(self) -> bool:
        """Take one step; True where it was one to report, whose figures are then new.

        Targets of step t are made with the target weights as they were before step t - 1 moved them:
        at a `target_rate` of 0.005 nobody can tell, and the second core has work. The target moves at
        the beginning of the next step, so that a saved state holds the weights its next targets need.
        """
        networks, config = self.networks, self.config
        batch, targets = self.feed.take(networks.target, networks.step)
        move_target(networks.target, networks.online, config.target_rate)
        self.feed.prepare(networks.target, networks.step + 1)
        figures = train_step(networks, batch, targets, config=config)
        if networks.step % REPORT_EVERY_STEPS and networks.step != config.steps:
            return False
        if not networks.is_finite():
            self._go_back()
            return False
        rate = (networks.step - self._first_step) / (time.monotonic() - self._started_sec)
        rates = {"steps_per_sec": rate, "samples_per_sec": rate * config.batch_size}
        lowered = {} if networks.lowered is None else {"lowered_at_step": networks.lowered}
        self.figures = {name: float(value) for name, value in (figures | rates | lowered).items()}
        append_figures(self.folder, networks.step, self.figures)
        return True

    def _go_back(self) -> None:
        """To the state that was saved last, once, to go on from there with a lower learning rate."""
        networks, step = self.networks, self.networks.step
        if networks.lowered is not None:
            raise DivergedError(
                f"the learner diverged: its weights were not finite by step {step}, also with "
                f"{LOWERED:g} times the learning rate from step {networks.lowered} on"
            )
        self.figures = go_back(self.folder, networks)
        if not networks.is_finite():
            raise DivergedError("the learner cannot begin: the weights that it starts from are not finite")
        networks.lowered = networks.step
        save_state(self.folder, networks)
        self.feed.drop()


def result_of(future: Future[Any]) -> Any:
    """What a future ends with; an interrupt that comes while its lock changes hands is an interrupt still."""
    try:
        return future.result()
    except RuntimeError as error:  # "cannot release un-acquired lock", from the interrupted wait itself
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
