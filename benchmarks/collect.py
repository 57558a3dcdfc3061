"""What share of the simulator's own speed a full collector reaches, per core.

    OMP_NUM_THREADS=1 python benchmarks/collect.py [--episodes 100] [--environments 25]

The reference is raw: `mj_step` for one control step and the observation built from it, with actions
that were recorded before, in one process on one core. A collector adds action noise, the policy (the
critic choosing among 4 actions), episode bookkeeping, and Ray.
"""

import argparse
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np
from machine import machine

from pacloop.actors.rollout.collector import CollectorPool  # pyright: ignore[reportMissingImports]
from pacloop.actors.rollout.rollout import rollout  # pyright: ignore[reportMissingImports]
from pacloop.actors.tasks.stack.stack import StackEnvironment, task  # pyright: ignore[reportMissingImports]
from pacloop.datasets import Episode  # pyright: ignore[reportMissingImports]
from pacloop.learner.checkpoint import (  # pyright: ignore[reportMissingImports]
    PolicyRecord,
    build_policy,
    read_record,
    write_policy,
)
from pacloop.learner.config import PacConfig  # pyright: ignore[reportMissingImports]
from pacloop.learner.network.pac import Pac  # pyright: ignore[reportMissingImports]
from pacloop.learner.policy import Acting  # pyright: ignore[reportMissingImports]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--environments", type=int, default=25)
    wanted = parser.parse_args()
    found = task()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy"
        record = PolicyRecord("policy", found.schema, PacConfig(), Acting("q_guided", 4))
        write_policy(path, record, Pac(found.schema, PacConfig()).state_dict())
        record, weights = read_record(path), (path / "weights.safetensors").read_bytes()

    policy = build_policy(record, weights)
    environments = [found.make() for _ in range(wanted.environments)]
    begun = time.perf_counter()
    episodes = list(rollout(found, policy, range(wanted.episodes), environments=environments))
    one = sum(e.length for e in episodes) / (time.perf_counter() - begun)

    raw = raw_rate([e.action for e in episodes[:25]], [e.seed for e in episodes[:25]])
    rows = [("raw: mj_step + observation", raw, 1), ("rollout, one process", one, 1)]
    for actors in (1, 2):
        rows.append(
            (f"collector on Ray, {actors} actor(s)", ray_rate(actors, wanted, record, weights), actors)
        )
    print(machine())
    print(f"{wanted.episodes} episodes, {wanted.environments} environments an actor, q_guided of 4\n")
    print("| | control steps/s | per core | share of raw, per core |\n|---|---|---|---|")
    for name, rate, cores in rows:
        print(f"| {name} | {rate:,.0f} | {rate / cores:,.0f} | {rate / cores / raw:.2f} |")


def raw_rate(actions: list[np.ndarray], seeds: list[int | None]) -> float:
    """Control steps a second of the physics and the observation alone."""
    environment, steps, spent = StackEnvironment(), 0, 0.0
    for seed, episode in zip(seeds, actions, strict=True):
        environment.seed(seed or 0)
        environment.reset()
        commands = [[float(x) for x in np.clip(action, -1, 1)] for action in episode]
        begun = time.perf_counter()
        for command in commands:
            environment.physics.advance(command)
            environment.physics.observe(1.0)
        spent += time.perf_counter() - begun
        steps += len(commands)
    return steps / spent


def ray_rate(actors: int, wanted: argparse.Namespace, record: PolicyRecord, weights: bytes) -> float:
    """Control steps a second of a pool, after one round to warm it up."""
    with closing(CollectorPool("pacloop/stack", actors=actors, environments=wanted.environments)) as pool:
        list(pool.run(record, weights, range(actors * 4)))
        begun = time.perf_counter()
        outcomes = list(pool.run(record, weights, range(1000, 1000 + wanted.episodes)))
        return sum(e.length for e in outcomes if isinstance(e, Episode)) / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
