"""PAC's objective in sample form: three cross-entropies.

PAC (Springenberg et al., 2024), sec. 3.2:

    L(theta) = E_D[ (1 - alpha) KL(pi_imp || pi_theta) + alpha KL(b || pi_theta) + beta KL(Gamma || p_theta) ]

* improvement: K actions a' from the target policy, weighted by softmax_k(Q_target(s, a'_k) / eta);
* cloning: the action in the data;
* critic: the action in the data, against Gamma, the projected n-step target
  G_n + gamma^n Q_target(s', a'), a' from the target policy. (The paper's n is 1.)

Shapes: `B` batch, `K` actions a state, `A` action dimensions.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import LearnConfig
from ..network.pac import Pac, sample_bins


@dataclass(frozen=True)
class Batch:
    """What one gradient step looks at.

    Attributes:
      observation: by name, `[B, H, ...]`.
      action: in [-1, 1], `[B, A]`.
      n_step_return: discounted reward of the next n steps, `[B]`.
      bootstrap_discount: weight of the value n steps on, 0 where the episode ended, `[B]`.
      next_observation: the observation n steps on, by name, `[B, H, ...]`.
    """

    observation: Mapping[str, Tensor]
    action: Tensor
    n_step_return: Tensor
    bootstrap_discount: Tensor
    next_observation: Mapping[str, Tensor]


@dataclass(frozen=True)
class Targets:
    """What the target network says about a batch; no gradient passes through it.

    Attributes:
      returns: Gamma, the projected n-step return distribution, `[B, bins]`.
      action_bins: actions a' drawn for the improvement, `[B, K, A]`; K is 0 where all is cloning.
      weights: softmax over K of Q(s, a') / eta, `[B, K]`.
      figures: worth plotting.
    """

    returns: Tensor
    action_bins: Tensor
    weights: Tensor
    figures: Mapping[str, Tensor]


@torch.no_grad()
def make_targets(target: Pac, batch: Batch, *, config: LearnConfig, generator: torch.Generator) -> Targets:
    """Gamma for the critic, weighted actions for the improvement; the module has the equations."""
    size, drawn = len(batch.action), config.improvement_actions if config.alpha < 1 else 0
    observation = dict(batch.next_observation)
    if drawn:
        observation = {name: torch.cat([v, batch.observation[name]]) for name, v in observation.items()}
    latents = target.latents(observation)
    logits = target.policy_logits(latents)
    noise = torch.rand(size, 1, target.action_size, generator=generator)
    next_action = target.action_values[sample_bins(logits[:size], noise)]
    next_returns = target.return_logits(latents[:size], next_action)[:, 0].softmax(-1)
    gamma = project(batch.n_step_return, batch.bootstrap_discount, next_returns, target.return_values)
    if not drawn:
        return Targets(gamma, torch.zeros(size, 0, target.action_size).long(), torch.zeros(size, 0), {})

    noise = torch.rand(size, drawn, target.action_size, generator=generator)
    bins = sample_bins(logits[size:], noise)
    q = target.q_values(latents[size:], target.action_values[bins])
    weights = (q / config.eta).softmax(-1)
    effective = (1 / weights.square().sum(-1)).mean()
    figures = {"q": q.mean(), "q_spread": q.std(-1).mean(), "effective_actions": effective}
    return Targets(gamma, bins, weights, figures)


def loss(
    online: Pac, batch: Batch, targets: Targets, *, config: LearnConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """L(theta) of one batch, as the module has it, and the figures worth plotting."""
    z = online.latents(batch.observation)
    log_policy = online.policy_logits(z).log_softmax(-1)
    log_returns = online.return_logits(z, batch.action[:, None])[:, 0].log_softmax(-1)
    critic = -(targets.returns * log_returns).sum(-1).mean()
    cloning = -log_probability(log_policy, online.action_bins(batch.action)[:, None]).mean()
    total = config.alpha * cloning + config.beta * critic
    figures = {"critic": critic, "cloning": cloning, **targets.figures}
    if config.alpha < 1:
        improvement = -(targets.weights * log_probability(log_policy, targets.action_bins)).sum(-1).mean()
        total = total + (1 - config.alpha) * improvement
        figures |= {"improvement": improvement}
    return total, {name: value.detach() for name, value in figures.items()}


def log_probability(log_policy: Tensor, bins: Tensor) -> Tensor:
    """Log-probability of whole actions, given `[B, A, bins]` and bins `[B, K, A]`; returns `[B, K]`."""
    return log_policy.gather(-1, bins.transpose(1, 2)).sum(1)


def project(returns: Tensor, discounts: Tensor, probabilities: Tensor, values: Tensor) -> Tensor:
    """The distribution of `returns + discounts * Z` on the fixed bins `values`, by linear interpolation.

    The categorical projection of Bellemare, Dabney and Munos (2017), sec. 4; mass outside the range
    falls on its ends.

    Args:
      returns: `[B]`.
      discounts: `[B]`.
      probabilities: of Z over `values`, `[B, bins]`.
      values: evenly spaced, `[bins]`.

    Returns:
      `[B, bins]`, each row sums to 1.
    """
    top = len(values) - 1
    shifted = returns[:, None] + discounts[:, None] * values
    position = ((shifted - values[0]) * (top / (values[-1] - values[0]))).clamp(0, top)
    lower = position.floor().clamp(max=top - 1)
    share = position - lower
    bins = lower.nan_to_num().long()  # what is not finite stays so, and is no bin out of range
    result = torch.zeros_like(probabilities)
    result.scatter_add_(1, bins, probabilities * (1 - share))
    return result.scatter_add_(1, bins + 1, probabilities * share)
