"""Records of stages and batches of episodes, as a run leaves them, for tests that need no run."""

import numpy as np

from pacloop.datasets import Episode, Snapshot
from pacloop.loop.statistics.wilson import wilson
from pacloop.loop.workspace.records import (
    Appended,
    Begun,
    Collected,
    Diverged,
    Learned,
    Measured,
    Raced,
    Reached,
)
from pacloop.loop.workspace.verdict import CriticChecked, Verdict

KINDS = {
    "begin": Begun,
    "collect": Collected,
    "append": Appended,
    "learn": Learned,
    "diverged": Diverged,
    "clone": Learned,
    "critic": CriticChecked,
    "race": Raced,
    "gate": Verdict,
    "judged": Verdict,
    "reached": Reached,
}
TALLY = {"episodes": 10, "successes": 5, "rate": 0.5, "interval": (0.2, 0.8), "seconds": 2.0}
DEFAULTS = {
    Begun: {"champion": "r000-pac"},
    Collected: {**TALLY, "champion": "r000-pac"},
    Measured: {**TALLY, "policy": "r000-pac"},
    Appended: {
        "snapshot": Snapshot("", ()),
        "snapshot_id": "none",
        "episodes": 0,
        "rows": 0,
        "sources": {},
        "excluded": 0,
        "seconds": 1.0,
    },
    Learned: {
        "policy": "r001-pac",
        "parent": None,
        "steps": 5,
        "snapshot": "none",
        "rows": 10,
        "figures": {},
        "seconds": 1.0,
    },
    Diverged: {"policy": "r001-pac", "parent": "r000-pac", "reason": "the learner diverged", "seconds": 1.0},
    CriticChecked: {"policy": "r001-pac", "figures": None, "seconds": 1.0},
    Raced: {"policy": "r001-pac", "seconds": 1.0},
    Reached: {"reason": "the target is reached"},
    Verdict: {
        "decision": "undecided",
        "reason": "because",
        "champion": "r000-pac",
        "candidate": "r001-pac",
        "champion_successes": 5,
        "champion_n": 10,
        "candidate_successes": 5,
        "candidate_n": 10,
        "champion_interval": (0.2, 0.8),
        "candidate_interval": (0.2, 0.8),
        "evidence": 1.0,
        "boundary": 2.0,
        "level": 0.02,
        "episodes_saved": 0,
        "seconds": 3.0,
    },
}


def record(stage, **facts):
    """The record of a stage; what is not said is ordinary."""
    kind = KINDS.get(stage, Measured)
    return kind(**{**DEFAULTS[kind], **facts})


def put(space, number, stage, **facts):
    """Write the record of a stage of a round."""
    return space.write_record(number, record(stage, **facts), stage)


def tally(successes, n, **more):
    """The facts of a stage that played `n` episodes."""
    rate, interval = successes / n, wilson(successes, n)
    return {"episodes": n, "successes": successes, "rate": rate, "interval": interval, **more}


def verdict(decision, candidate, successes, n, **more):
    """The facts of a gate's verdict."""
    return {
        "decision": decision,
        "candidate": candidate,
        "candidate_successes": successes,
        "candidate_n": n,
        "candidate_interval": wilson(successes, n),
        **more,
    }


def play(space, number, stage, policy, scores, source="evaluation"):
    """A batch of episodes of one step with these scores; no two begin alike."""
    count = len([b for b in space.store.batches() if b.id.startswith(f"r{number:03d}-{stage}-")])
    start = 100_000 * number + 1000 * count
    episodes = [episode(space, start + k, float(score)) for k, score in enumerate(scores)]
    batch_id, origin = f"r{number:03d}-{stage}-{count:05d}", {"policy": policy, "stage": stage}
    return space.store.append(episodes, batch_id=batch_id, source=source, round=number, origin=origin)


def play_collection(space, number, champion, successes, n):
    """What a champion collected in a round, with its record."""
    scores = (np.arange(n) < successes).astype(float)
    batch = play(space, number, "collect", champion, scores, source="collection")
    put(space, number, "collect", **tally(successes, n, champion=champion))
    return batch


def episode(space, seed, score):
    schema = space.task.schema
    return Episode(
        observation={
            name: np.full((2, *field.shape), seed % 997, np.float32)
            for name, field in schema.observation.items()
        },
        action=np.zeros((1, *schema.action.shape), np.float32),
        reward=np.full(1, score, np.float32),
        discount=np.zeros(1, np.float32),
        score=score,
        seed=seed,
        policy="somebody",
    )
