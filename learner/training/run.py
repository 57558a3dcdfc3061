"""A learner run: from a replay and starting weights to new weights.

A run is a function of (replay, configuration, starting weights, seed). It saves itself into its
folder as it goes; called again with the same arguments after a kill, it goes on from there and ends
in the same weights, because every step draws from generators made of (seed, step).

It may keep the weights of earlier steps besides, each in a file that is written before any state beyond its
step is saved: a run that goes on from a saved state finds all that this state had passed.
"""

import copy
import hashlib
import json
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from ...datasets import Schema
from ...datasets.files import read_json, write_bytes_atomically, write_json_atomically
from ...datasets.replay.replay import Replay, Transitions
from ..checkpoint import write_tensors
from ..config import IDENTITY, METRICS, LearnConfig, PacConfig, to_json
from ..network.pac import Pac
from ..policy import normalise
from .objective import Batch, Targets, loss, make_targets

Progress = Callable[[int, Mapping[str, float]], None]
"""Called with the steps done and the run's latest figures."""

REPORT_EVERY_STEPS = 50


@dataclass(frozen=True)
class Learned:
    """What a run ends with.

    Attributes:
      weights: those that act.
      figures: the last ones.
      kept: the weights that would have acted, had the run ended there, by the step after which they were
        kept, oldest first.
    """

    weights: dict[str, Tensor]
    figures: dict[str, float]
    kept: dict[int, dict[str, Tensor]] = field(default_factory=dict)


def learn(
    replay: Replay,
    *,
    schema: Schema,
    network: PacConfig,
    config: LearnConfig,
    seed: int,
    folder: Path,
    start: Mapping[str, Tensor] | None = None,
    keep: Collection[int] = (),
    progress: Progress | None = None,
) -> Learned:
    """Train for `config.steps` steps, going on from what `folder` holds.

    Args:
      replay: where transitions come from; its n-step and discount must be those of `config`.
      schema: the steps of the task.
      network: the size of the network.
      config: the run.
      seed: of the initial weights, the batches and the sampled actions.
      folder: the run's own: `state.safetensors`, `state.json`, `metrics.jsonl`, and what it keeps.
      start: weights to start from; fresh ones where None.
      keep: steps before the last after which the weights are kept, too.
      progress: called every few dozen steps.
    """
    torch.set_num_threads(config.threads)
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(schema, network, config, seed, folder, start, keep)
    saved = time.monotonic()
    try:
        while run.step < config.steps:
            if run.advance(replay) and progress:
                progress(run.step, run.figures)
            if time.monotonic() - saved > config.save_every_sec:
                run.save()
                saved = time.monotonic()
    except KeyboardInterrupt:
        run.save()
        raise
    kept = {step: load_file(kept_file(folder, step)) for step in sorted(keep)}
    return Learned(run.acting_weights(), run.figures, kept)


def kept_file(folder: Path, step: int) -> Path:
    """Where a run in `folder` keeps the weights of a step."""
    return folder / f"step-{step}.safetensors"


def result_of(future: Future[Any]) -> Any:
    """What a future ends with; an interrupt that comes while its lock changes hands is an interrupt still."""
    try:
        return future.result()
    except RuntimeError as error:  # "cannot release un-acquired lock", from the interrupted wait itself
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise


class _Run:
    """The moving parts of one learner run, and their place on disk."""

    def __init__(
        self,
        schema: Schema,
        network: PacConfig,
        config: LearnConfig,
        seed: int,
        folder: Path,
        start: Mapping[str, Tensor] | None,
        keep: Collection[int],
    ) -> None:
        self.schema, self.config, self.seed, self.folder = schema, config, seed, folder
        self.keep = sorted(keep)
        torch.manual_seed(seed)
        self.online = Pac(schema, network)
        if start is not None:
            self.online.load_state_dict(dict(start))
        self.identity = {
            "network": to_json(network),
            "learn": to_json(config),
            "seed": seed,
            "start": _digest(self.online.state_dict()),
        } | ({"keep": self.keep} if self.keep else {})
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            self.online.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.step = 0
        self.figures: dict[str, float] = {}
        """Of the last step that was reported."""
        self._turns, self._preparing = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._turns.submit(int).result()  # an interrupt while its thread starts would make it two threads
        self._ahead: Future[tuple[Batch, Targets]] | None = None
        self._restore()
        self._first, self._begun = self.step, time.monotonic()

    def advance(self, replay: Replay) -> bool:
        """Take one step; True where it was one to report, whose figures are then new.

        Steps and saves take turns in a thread, where no interrupt can tear them.
        """
        return result_of(self._turns.submit(self._advance, replay))

    def save(self) -> None:
        """Write the whole state, so that another process can go on from it."""
        result_of(self._turns.submit(self._save))

    def _advance(self, replay: Replay) -> bool:
        figures = self._train_step(replay)
        if self.step in self.keep:
            write_tensors(kept_file(self.folder, self.step), self.acting_weights())
        if self.step % REPORT_EVERY_STEPS and self.step != self.config.steps:
            return False
        rate = (self.step - self._first) / (time.monotonic() - self._begun)
        rates = {"steps_per_sec": rate, "samples_per_sec": rate * self.config.batch_size}
        self.figures = {name: float(value) for name, value in (figures | rates).items()}
        with (self.folder / METRICS).open("a") as file:
            file.write(json.dumps({"step": self.step, **self.figures}) + "\n")
        return True

    def _train_step(self, replay: Replay) -> dict[str, Tensor]:
        """One gradient step, while another thread prepares the next one's batch and targets.

        Targets of step t are made with the target weights as they were before step t - 1 moved them:
        at a `target_rate` of 0.005 nobody can tell, and the second core has work. The target moves at
        the beginning of the next step, so that a saved state holds the weights its next targets need.
        """
        config = self.config
        batch, targets = self._ahead.result() if self._ahead else self._prepare(replay, self.step)
        self.move_target()
        self._ahead = self._preparing.submit(self._prepare, replay, self.step + 1)
        total, figures = loss(self.online, batch, targets, config=config)
        self.optimizer.zero_grad()
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.online.parameters(), config.gradient_clip)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, self.step)
        self.optimizer.step()
        self.step += 1
        return figures | {"loss": total.detach(), "gradient_norm": norm}

    def move_target(self) -> None:
        """Let the target network follow the online one."""
        self._follow(self.target)

    def acting_weights(self) -> dict[str, Tensor]:
        """The weights that act if the run ends here: those of the target, once it has moved."""
        ahead = copy.deepcopy(self.target)
        self._follow(ahead)
        return ahead.state_dict()

    def _follow(self, target: Pac) -> None:
        for old, new in zip(target.parameters(), self.online.parameters(), strict=True):
            old.lerp_(new.detach(), self.config.target_rate)

    def _prepare(self, replay: Replay, step: int) -> tuple[Batch, Targets]:
        transitions = replay.sample(self.config.batch_size, np.random.default_rng([self.seed, step]))
        batch = make_batch(transitions, self.schema)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        return batch, make_targets(self.target, batch, config=self.config, generator=generator)

    def _save(self) -> None:
        tensors = {f"online.{k}": v for k, v in self.online.state_dict().items()}
        tensors |= {f"target.{k}": v for k, v in self.target.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": v for k, v in state.items()}
        tensors["step"] = torch.tensor(self.step)
        write_tensors(self.folder / "state.safetensors", tensors)

    def _restore(self) -> None:
        """Go on from a saved state of the same run; a state of another run is thrown away."""
        state, identity = self.folder / "state.safetensors", self.folder / IDENTITY
        if not identity.is_file() or read_json(identity) != json.loads(json.dumps(self.identity)):
            forget_state(self.folder)
            (self.folder / METRICS).unlink(missing_ok=True)
            write_json_atomically(identity, self.identity)
        if not state.is_file():
            (self.folder / METRICS).unlink(missing_ok=True)
            return
        tensors = load_file(state)
        self.step = int(tensors.pop("step"))
        for part, module in (("online.", self.online), ("target.", self.target)):
            module.load_state_dict(
                {k.removeprefix(part): v for k, v in tensors.items() if k.startswith(part)}
            )
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".")
                moments.setdefault(int(index), {})[key] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        self._restore_figures()

    def _restore_figures(self) -> None:
        """Forget the lines of steps that will be taken again; a kill may have torn the last one."""
        path = self.folder / METRICS
        kept = []
        for line in path.read_text().splitlines(keepends=True) if path.is_file() else []:
            with suppress(ValueError):
                figures = json.loads(line)
                if figures.pop("step") <= self.step:
                    kept.append(line)
                    self.figures = figures
        write_bytes_atomically(path, "".join(kept).encode())


def forget_state(folder: Path) -> None:
    """Delete what a run would go on from, and what it has kept; its figures stay."""
    (folder / "state.safetensors").unlink(missing_ok=True)
    for kept in folder.glob("step-*.safetensors"):
        kept.unlink()


def _digest(weights: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(weights[name].detach().numpy().tobytes())
    return digest.hexdigest()


def learning_rate(config: LearnConfig, step: int) -> float:
    """Rises in a straight line over the warm-up, then falls in one to `final_rate` of its peak."""
    rising = (step + 1) / max(1, config.warmup_steps)
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    falling = 1 - (1 - config.final_rate) * max(0.0, done)
    return config.learning_rate * min(rising, falling)


def make_batch(transitions: Transitions, schema: Schema) -> Batch:
    """Turn numpy transitions of the task into what the objective looks at."""
    return Batch(
        observation={name: torch.from_numpy(value) for name, value in transitions.observation.items()},
        action=torch.from_numpy(normalise(transitions.action, schema)),
        n_step_return=torch.from_numpy(transitions.n_step_return),
        bootstrap_discount=torch.from_numpy(transitions.bootstrap_discount),
        next_observation={name: torch.from_numpy(v) for name, v in transitions.next_observation.items()},
    )
