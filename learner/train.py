"""A learner run: from a replay and starting weights to new weights.

A run is a function of (replay, configuration, starting weights, seed). It saves itself into its
folder as it goes; called again with the same arguments after a kill, it goes on from there and ends
in the same weights, because every step draws from generators made of (seed, step).
"""

import copy
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from ..datasets import Schema
from ..datasets.files import read_json, write_json_atomically
from ..datasets.replay import Replay, Transitions
from .checkpoint import write_tensors
from .config import LearnConfig, PacConfig, to_json
from .objective import Batch, Targets, loss, make_targets
from .pac import Pac
from .policy import normalise

Progress = Callable[[int, Mapping[str, float]], None]
"""Called with the steps done and the run's latest figures."""

REPORT_EVERY_STEPS = 50


@dataclass(frozen=True)
class Learned:
    """What a run ends with: the weights that act, and the last figures."""

    weights: dict[str, Tensor]
    figures: dict[str, float]


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
) -> Learned:
    """Train for `config.steps` steps, going on from what `folder` holds.

    Args:
      replay: where transitions come from; its n-step and discount must be those of `config`.
      schema: the steps of the task.
      network: the size of the network.
      config: the run.
      seed: of the initial weights, the batches and the sampled actions.
      folder: the run's own: `state.safetensors`, `state.json`, `metrics.jsonl`.
      start: weights to start from; fresh ones where None.
      progress: called every few dozen steps.
    """
    torch.set_num_threads(config.threads)
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(schema, network, config, seed, folder, start)
    saved = begun = time.monotonic()
    first = run.step
    sums: dict[str, float] = {}
    while run.step < config.steps:
        try:
            figures = run.train_step(replay)
        except KeyboardInterrupt:
            run.save()
            raise
        if run.step % REPORT_EVERY_STEPS == 0 or run.step == config.steps:
            rate = (run.step - first) / (time.monotonic() - begun)
            sums = {name: float(value) for name, value in figures.items()}
            sums["steps_per_sec"] = rate
            sums["samples_per_sec"] = rate * config.batch_size
            run.log(sums)
            if progress:
                progress(run.step, sums)
        if time.monotonic() - saved > config.save_every_sec:
            run.save()
            saved = time.monotonic()
    return Learned({k: v.clone() for k, v in run.target.state_dict().items()}, sums)


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
    ) -> None:
        self.schema, self.config, self.seed, self.folder = schema, config, seed, folder
        self.identity = {"network": to_json(network), "learn": to_json(config), "seed": seed}
        torch.manual_seed(seed)
        self.online = Pac(schema, network)
        if start is not None:
            self.online.load_state_dict(dict(start))
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            self.online.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.step = 0
        self._thread = ThreadPoolExecutor(1)
        self._ahead: Future[tuple[Batch, Targets]] | None = None
        self._restore()

    def train_step(self, replay: Replay) -> dict[str, Tensor]:
        """One gradient step, while a second thread prepares the next one's batch and targets.

        Targets of step t are made with the target weights as they were before step t - 1 moved them:
        at a `target_rate` of 0.005 nobody can tell, and the second core has work.
        """
        config = self.config
        batch, targets = self._ahead.result() if self._ahead else self._prepare(replay, self.step)
        self._ahead = self._thread.submit(self._prepare, replay, self.step + 1)
        total, figures = loss(self.online, batch, targets, config=config)
        self.optimizer.zero_grad()
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.online.parameters(), config.gradient_clip)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, self.step)
        self.optimizer.step()
        wait([self._ahead])
        for old, new in zip(self.target.parameters(), self.online.parameters(), strict=True):
            old.lerp_(new.detach(), config.target_rate)
        self.step += 1
        return figures | {"loss": total.detach(), "gradient_norm": norm}

    def _prepare(self, replay: Replay, step: int) -> tuple[Batch, Targets]:
        transitions = replay.sample(self.config.batch_size, np.random.default_rng([self.seed, step]))
        batch = make_batch(transitions, self.schema)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        return batch, make_targets(self.target, batch, config=self.config, generator=generator)

    def save(self) -> None:
        """Write the whole state, so that another process can go on from it."""
        tensors = {f"online.{k}": v for k, v in self.online.state_dict().items()}
        tensors |= {f"target.{k}": v for k, v in self.target.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": v for k, v in state.items()}
        tensors["step"] = torch.tensor(self.step)
        write_tensors(self.folder / "state.safetensors", tensors)

    def log(self, figures: Mapping[str, float]) -> None:
        """Append one line of figures to `metrics.jsonl`."""
        with (self.folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": self.step, **{k: round(v, 5) for k, v in figures.items()}}) + "\n")

    def _restore(self) -> None:
        """Go on from a saved state of the same run; a state of another run is thrown away."""
        state, identity = self.folder / "state.safetensors", self.folder / "state.json"
        if not identity.is_file() or read_json(identity) != json.loads(json.dumps(self.identity)):
            state.unlink(missing_ok=True)
            (self.folder / "metrics.jsonl").unlink(missing_ok=True)
            write_json_atomically(identity, self.identity)
        if not state.is_file():
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
