"""A policy: a network, and the way it picks actions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..datasets import Schema
from .network.pac import Pac, sample_bins

FEWEST_ROWS = 8
"""Smaller batches are padded: products of one to three rows take another path through the BLAS and round
differently, and an episode must not depend on how many others are still running beside it."""


@dataclass(frozen=True)
class Acting:
    """How a policy picks an action; part of the policy, since it changes what it scores.

    Attributes:
      mode: `sample` draws from the policy, `mode` takes the likeliest bin of each dimension,
        `q_guided` draws `actions` and takes the one the critic likes best (best of N by Q, as in
        batch online RL, arXiv 2505.08078).
      actions: how many `q_guided` draws, `N`.
      floor: bins less likely than this share of the likeliest bin of their dimension are not drawn.
        A network never gives a bin exactly no chance; over a hundred steps, what is left to the
        thousandth bin opens the hand at the wrong moment.
    """

    mode: Literal["sample", "mode", "q_guided"] = "q_guided"
    actions: int = 4
    floor: float = 0.05

    def __str__(self) -> str:
        """As tables and verdicts name it."""
        return f"q_guided of {self.actions}" if self.mode == "q_guided" else self.mode


class Policy:
    """Acts for a batch of environments at once. Holds no state between steps, and trains nothing."""

    def __init__(self, network: Pac, schema: Schema, acting: Acting) -> None:
        self.network = network.eval().requires_grad_(False)
        self.schema = schema
        self.acting = acting
        self._low = np.asarray(schema.action_minimum, np.float32)
        self._high = np.asarray(schema.action_maximum, np.float32)

    @property
    def noise_shape(self) -> tuple[int, int]:
        """Shape `(N, A)` of the uniform noise that one environment needs at each step."""
        draws = self.acting.actions if self.acting.mode == "q_guided" else 1
        return draws, self.schema.action.size

    @torch.inference_mode()
    def act(self, observation: Mapping[str, np.ndarray], noise: np.ndarray) -> np.ndarray:
        """Observation fields `[B, H, ...]` and uniform noise `[B, N, A]` to actions `[B, A]`."""
        rows = len(noise)
        if rows < FEWEST_ROWS:
            observation = {name: _padded(value) for name, value in observation.items()}
            noise = _padded(noise)
        latents = self._latents(observation)
        action = self._pick(latents, torch.from_numpy(noise)).numpy()[:rows]
        in_range = self._low + (action + 1) * 0.5 * (self._high - self._low)
        return np.clip(in_range, self._low, self._high)  # which rounding may leave

    @torch.inference_mode()
    def q(self, observation: Mapping[str, np.ndarray], action: np.ndarray) -> np.ndarray:
        """What the critic expects of each action: `[B, H, ...]` and `[B, A]` to discounted returns `[B]`."""
        unit = torch.from_numpy(normalise(action, self.schema))
        return self.network.q_values(self._latents(observation), unit[:, None])[:, 0].numpy()

    def _latents(self, observation: Mapping[str, np.ndarray]) -> Tensor:
        return self.network.latents({name: torch.from_numpy(value) for name, value in observation.items()})

    def _pick(self, latents: Tensor, noise: Tensor) -> Tensor:
        """An action in [-1, 1] for each row, `[B, A]`, as `Acting` says."""
        network, logits = self.network, self.network.policy_logits(latents)
        if self.acting.mode == "mode":
            return network.action_values[logits.argmax(-1)]
        lowest = logits.amax(-1, keepdim=True) + math.log(max(self.acting.floor, 1e-12))
        bins = sample_bins(logits.masked_fill(logits < lowest, -torch.inf), noise)
        actions = network.action_values[bins]
        if self.acting.mode == "sample":
            return actions[:, 0]
        best = network.q_values(latents, actions).argmax(-1)
        return actions[torch.arange(len(actions)), best]


def normalise(action: np.ndarray, schema: Schema) -> np.ndarray:
    """From the task's own range to [-1, 1], float32, shape kept."""
    low, high = np.asarray(schema.action_minimum), np.asarray(schema.action_maximum)
    return ((action - low) * (2.0 / (high - low)) - 1.0).astype(np.float32)


def _padded(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([rows, np.repeat(rows[-1:], FEWEST_ROWS - len(rows), axis=0)])
