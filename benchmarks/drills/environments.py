"""Episodes of a task that misbehaves by seed, collected as the loop collects them: where they all ended up.

    python benchmarks/drills/environments.py [--episodes 1000]

The environment raises, gives NaN, another shape or text, lacks a field, reuses its buffers, writes on
actions, never ends, blocks for ever, or takes its process with it (`offered/misbehaving.py`). Every seed
must be in the dataset, once and exactly as the sound task gives it, or on record as failed, with the
reason. Prints a line for each fault, and exits 1 where one is lost, there twice, or wrong. A seed that
takes its process with it once may fail: it is tried twice, and may have been beside one that always does.
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent / "offered"))

import torch
from machine import machine
from misbehaving import FAILING, FAULTS, fault_of, sound  # pyright: ignore[reportMissingImports]

from pacloop.actors.rollout.collector import CollectorPool  # pyright: ignore[reportMissingImports]
from pacloop.actors.rollout.rollout import rollout  # pyright: ignore[reportMissingImports]
from pacloop.datasets import Episode  # pyright: ignore[reportMissingImports]
from pacloop.learner.checkpoint import (  # pyright: ignore[reportMissingImports]
    PolicyRecord,
    read_policy,
    write_policy,
)
from pacloop.learner.config import PacConfig  # pyright: ignore[reportMissingImports]
from pacloop.learner.network.pac import Pac  # pyright: ignore[reportMissingImports]
from pacloop.learner.policy import Acting  # pyright: ignore[reportMissingImports]
from pacloop.loop.episodes.play import Play, Session, play  # pyright: ignore[reportMissingImports]
from pacloop.loop.episodes.sample import failures  # pyright: ignore[reportMissingImports]
from pacloop.loop.progress import silent  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.config import parse_config  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.workspace import Workspace  # pyright: ignore[reportMissingImports]

TASK, POLICY, BLOCK = "drill/misbehaving", "drill-pac", 20
DEADLINE_SEC = 4.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--episodes", type=int, default=1000)
    count = parser.parse_args().episodes
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PYTHONPATH"] = os.pathsep.join([sys.path[0], os.environ.get("PYTHONPATH", "")])
        os.environ["PACLOOP_DRILL"] = str(marks := Path(folder) / "marks")
        marks.mkdir()
        space = make(Path(folder) / "space")
        order = Play("collect", POLICY, "collection", round=1, episodes=count, block=BLOCK)
        pool = CollectorPool(TASK, actors=2, environments=3, deadline_sec=DEADLINE_SEC)
        with closing(pool):
            batches = list(play(Session(space, lambda: pool, silent), order))
        played = [episode for batch in batches for episode in space.store.episodes(batch)]
        failed = {failure.seed: failure.reason for batch in batches for failure in failures(batch)}
        rows = table(space, played, failed, seeds(count))
        assert space.store.verify() == []
    print(f"{machine()}; {pool.replaced} actors replaced\n")
    print("| what goes wrong | tries | failed to play | lost | twice | wrong |\n|---|---|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {' | '.join(map(str, row))} |")
    total = np.sum(list(rows.values()), axis=0)
    print(f"| all | {' | '.join(map(str, total))} |\n| must be | {count} | | 0 | 0 | 0 |")
    raise SystemExit(1 if total[0] != count or total[2:].any() else 0)


def make(folder: Path) -> Workspace:
    """A workspace with a policy that acts at random."""
    settings = {"task": TASK, "collect": {"failures": 0.9}, "dataset": {"rlds": "off"}}
    space = Workspace.create(folder, parse_config(settings, "the drill's settings"))
    network = PacConfig(width=8, latents=2, action_bins=5, value_bins=7, scales=(1.0, 3.0))
    torch.manual_seed(0)
    weights = Pac(space.task.schema, network).state_dict()
    record = PolicyRecord(POLICY, space.task.schema, network, Acting("sample", 1, 0.0), {"round": 0}, {})
    write_policy(space.policy_folder(POLICY), record, weights)
    return space


def seeds(count: int) -> range:
    """Those of the collection."""
    from pacloop.loop.episodes.seeds import episode_seeds  # pyright: ignore[reportMissingImports]

    return range(first := episode_seeds("collection", run=0, round=1, count=1)[0], first + count)


def table(
    space: Workspace, played: list[Episode], failed: dict[int, str], wanted: range
) -> dict[str, list[int]]:
    """By what goes wrong: seeds, failures, and how many of them are lost, there twice, or wrong."""
    task, times = sound(), Counter([episode.seed for episode in played] + list(failed))
    policy = read_policy(space.policy_folder(POLICY))
    alone = rollout(task, policy, wanted, environments=[task.make() for _ in range(8)], policy_id=POLICY)
    right = {episode.seed: episode for episode in alone}
    found = {episode.seed: episode for episode in played}
    rows: dict[str, list[int]] = {name: [0] * 5 for name in ("nothing", *FAULTS.values())}
    for seed in wanted:
        fault = fault_of(task.environment_seed(seed))
        if seed in failed:
            wrong = fault not in (*FAILING, "dies once") or f"seed {seed}: " not in failed[seed]
        else:
            wrong = fault in FAILING or (seed in found and not same(found[seed], right[seed]))
        row = 1, seed in failed, times[seed] == 0, times[seed] > 1, wrong
        rows[fault or "nothing"] = [a + int(b) for a, b in zip(rows[fault or "nothing"], row)]
    rows["nothing"][4] += len(set(times) - set(wanted))
    return rows


def same(one: Episode, other: Episode) -> bool:
    """Whether two episodes are equal, number for number."""
    names = ("action", "reward", "discount", "score")
    pairs: list[tuple[Any, Any]] = [
        (value, other.observation[name]) for name, value in one.observation.items()
    ]
    pairs += [(getattr(one, name), getattr(other, name)) for name in names]
    return all(np.array_equal(a, b) for a, b in pairs)


if __name__ == "__main__":
    main()
