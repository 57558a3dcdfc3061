"""Does the Q screen order a round's ways of acting, and its checkpoints, as episodes of each do?

    OMP_NUM_THREADS=1 python benchmarks/screen.py WORKSPACE > benchmarks/results/screen.md

The critics of a real run are asked, for each round, about states that neither the champion's nor the
candidate's learner had read: those of the next round's collection. Their order is compared with that of
the recorded bank (`bank.py`) and with that of the run's own races, by Kendall's tau; how often a random
order of each round's ways would agree as well, on average over the rounds, is its p. Half a minute.
"""

import argparse
import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from bank import BANK, unpack
from machine import machine
from scipy.stats import kendalltau

from pacloop.datasets import Snapshot  # pyright: ignore[reportMissingImports]
from pacloop.learner.checkpoint import read_policy  # pyright: ignore[reportMissingImports]
from pacloop.learner.critic_check import (  # pyright: ignore[reportMissingImports]
    calibration,
    choose,
    discrimination,
    mean_interval,
    visit,
)
from pacloop.loop.gate.critic import consult  # pyright: ignore[reportMissingImports]
from pacloop.loop.stages.entrants import label, ways  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.workspace import Workspace  # pyright: ignore[reportMissingImports]

BLOCKS, DRAWS = 4, 100_000
MOST_PERMUTED, ORDERS = 6, 2000
"""Of more candidates so many random orders stand for all; checkpoints multiply them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--bank", type=Path, default=BANK)
    wanted = parser.parse_args()
    space, bank = Workspace.open(wanted.workspace), json.loads(wanted.bank.read_text())
    print(f"# The Q screen, in figures\n\n{machine()}\n")
    found = [asked(space, number, bank) for number in space.rounds() if number]
    for section in (orders, agreement, critics, advantages):
        print(f"{section(found)}\n", flush=True)


def asked(space: Workspace, number: int, bank: dict[str, str]) -> dict[str, Any]:
    """What the critics say of a round's candidate, and what its episodes say."""
    learned, begun, race = (space.outcome(number, stage) for stage in ("learn", "begin", "race"))
    assert learned and begun and race
    new, old = (read_policy(space.policy_folder(name)) for name in (learned["policy"], begun["champion"]))
    visited = visit(space.store, unread(space, number), discount=space.config.learn.discount, history=1)
    tried = list(dict.fromkeys([replace(new.acting, mode="sample", actions=1), *ways(space, new.acting)]))
    q, before = new.q(visited.observation, visited.action), choose(old, visited, seed=0)
    found, recorded, gains = [], {}, {}
    for kept in ({"policy": learned["policy"]}, *learned.get("checkpoints", ())):
        own = read_policy(space.policy_folder(kept["policy"]))
        level = old.q(visited.observation, before) + own.q(visited.observation, before)
        for way, by_old, by_own in consult(old, own, visited, tried):
            name = label({**kept, "way": way})
            found.append((name, by_old, by_own))
            gains[name] = by_old + by_own - level
            if packed := bank.get(f"{kept['policy']}/{way}"):
                recorded[name] = unpack(packed)
    favourite, _, _ = max(found, key=lambda each: each[1].mean())
    return {
        "round": number,
        "episodes": visited.episodes,
        "champion": {name: float(judged.mean()) for name, judged, _ in found},
        "candidate": {name: float(own.mean()) for name, _, own in found},
        "bank": recorded,
        "race": {label(each): each["successes"] / each["episodes"] for each in race["tried"]},
        "way": favourite,
        "gain": mean_interval(gains[favourite] / 2, visited.episode),
        "gate": space.outcome(number, "gate"),
        "critic": (discrimination(q, visited.step, visited.won), calibration(q, visited.returned)),
    }


def unread(space: Workspace, number: int) -> Snapshot:
    """Blocks of the next round's collection, or, after the last round, of its gate."""
    after = [f"r{number + 1:03d}-collect-{k:05d}" for k in range(BLOCKS)]
    own = [f"r{number:03d}-gate-{k:05d}" for k in range(BLOCKS)]
    blocks = after if space.store.holds(after[0]) else own
    return space.store.snapshot(batches=[name for name in blocks if space.store.holds(name)])


def orders(found: list[dict[str, Any]]) -> str:
    """Rates and values of each round's ways."""
    rows = []
    for each in found:
        for name in each["champion"]:
            won, race = each["bank"].get(name), each["race"].get(name)
            rows.append(
                (
                    f"{each['round']}",
                    name,
                    "" if won is None else f"{won.mean():.1%} of {len(won)}",
                    "" if race is None else f"{race:.0%}",
                    f"{each['champion'][name]:.4f}",
                    f"{each['candidate'][name]:.4f}",
                )
            )
    head = (
        "round",
        "way",
        "success in the bank",
        "in the race",
        "Q, champion's critic",
        "Q, candidate's own",
    )
    return "## What each way scores, and what the critics expect of it\n\n" + table(head, rows)


def agreement(found: list[dict[str, Any]]) -> str:
    """Kendall's tau against chance."""
    rows = []
    for truth in ("bank", "race"):
        for critic in ("champion", "candidate"):
            for sample in (True, False) if truth == "bank" else (False,):
                pairs = [pair for each in found if (pair := paired(each, truth, critic, sample))]
                if not pairs:
                    continue
                taus = [tau(*pair) for pair in pairs]
                name = "the bank" if truth == "bank" else "the run's own races"
                name += ", with sample" if sample else ""
                each = " ".join(f"{value:+.1f}" for value in taus)
                rows.append((name, f"{critic}'s", each, f"{np.mean(taus):+.2f}", f"{chance(pairs):.3f}"))
    head = ("order of", "by the", "tau of each round", "mean", "p against chance, one-sided")
    return "## Does the screen's order agree with the episodes'?\n\n" + table(head, rows)


def paired(each: dict[str, Any], truth: str, critic: str, sample: bool) -> tuple[np.ndarray, ...] | None:
    names = [n for n in each[critic] if n in each[truth] and (sample or not n.startswith("sample"))]
    if len(names) < 2:
        return None
    rates = np.array([float(np.mean(each[truth][n])) for n in names])
    return np.array([each[critic][n] for n in names]), rates


def tau(values: np.ndarray, rates: np.ndarray) -> float:
    found: Any = kendalltau(values, rates)
    return 0.0 if np.isnan(found.statistic) else float(found.statistic)


def chance(pairs: list[tuple[np.ndarray, ...]]) -> float:
    """Share of random orders, drawn anew in each round, whose mean tau is no smaller."""
    rng = np.random.default_rng(0)
    mean, total = np.mean([tau(*pair) for pair in pairs]), np.zeros(DRAWS)
    for values, rates in pairs:
        few = len(values) <= MOST_PERMUTED
        orders = permutations(values) if few else (rng.permutation(values) for _ in range(ORDERS))
        taus = [tau(np.array(order), rates) for order in orders]
        total += rng.choice(taus, DRAWS)
    return float((total / len(pairs) >= mean - 1e-9).mean())


def critics(found: list[dict[str, Any]]) -> str:
    """Discrimination and calibration of each candidate's critic on episodes it had not read."""
    rows = []
    for each in found:
        told, off = each["critic"]
        at = {point["step"]: point["auc"] for point in told["by_step"]}
        aucs = [f"{at[step]:.2f}" if step in at else "" for step in (0, 20, 40, 60, 80, 100)]
        overall = "" if told["auc"] is None else f"{told['auc']:.2f}"
        rows.append((f"{each['round']}", f"{each['episodes']}", *aucs, overall, f"{off['error']:.3f}"))
    steps = tuple(f"AUC, step {step}" for step in (0, 20, 40, 60, 80, 100))
    head = ("round", "episodes", *steps, "AUC, all", "calibration error")
    return "## What a candidate's critic is worth on episodes that it has not read\n\n" + table(head, rows)


def advantages(found: list[dict[str, Any]]) -> str:
    """The advantage, and what the gate saw."""
    rows, seen = [], []
    for each in found:
        gain, gate = each["gain"], each["gate"]
        old, new = (gate[f"{arm}_successes"] / gate[f"{arm}_n"] for arm in ("champion", "candidate"))
        seen.append(new - old)
        cells = (f"{gain['mean']:+.4f}", f"{gain['low']:+.4f} to {gain['high']:+.4f}", f"{new - old:+.1%}")
        rows.append((f"{each['round']}", each["way"], *cells, gate["decision"]))
    tau: Any = kendalltau([each["gain"]["mean"] for each in found], seen, alternative="greater")
    head = ("round", "way", "advantage", "95 % interval", "gain in the gate", "verdict")
    title = "## The advantage over the champion, and what the gate saw"
    last = f"Kendall's tau over the rounds: {tau.statistic:+.2f}, p {tau.pvalue:.3f}, one-sided."
    return f"{title}\n\n{table(head, rows)}\n\n{last}"


def table(head: tuple, rows: list[tuple]) -> str:
    """As markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


if __name__ == "__main__":
    main()
