"""One Prefect server for all tests that need its API, and workspaces as the stages leave them."""

import json
from dataclasses import asdict

import pytest

from pacloop.datasets.files import write_json_atomically
from pacloop.flows.environment import prepare
from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.statistics.wilson import wilson
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace


@pytest.fixture(scope="session")
def prefect_api():
    """The URL of an embedded server, used by this process; children must be told."""
    prepare()
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=900):
        yield PREFECT_API_URL.value()


@pytest.fixture
def waiting(tmp_path):
    """Makes workspaces whose round 1 has a promotion that waits for a person, and nothing left to play.

    With `more`, the 40 episodes that somebody may ask for are played already, too.
    """
    return lambda **settings: waiting_space(tmp_path / "arm", **settings)


def waiting_space(folder, *, more=False, **gate):
    space = Workspace.create(folder, parse_config({"gate": {"approve": True, **gate}}, "test"))
    for policy in ("r000-pac", "r001-pac"):
        path = space.policy_folder(policy) / "policy.json"
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
    space.write_outcome(0, "race", {"policy": "r000-pac", "episodes": 0, "seconds": 1.0})
    for stage, outcome in (OUTCOMES | (MORE if more else {})).items():
        space.write_outcome(1, stage, {"seconds": 1.0, **outcome})
    return space


def tally(successes, n):
    rate, interval = successes / n, wilson(successes, n)
    return {"successes": successes, "episodes": n, "rate": rate, "interval": interval, "binary": True}


OUTCOMES = {
    "begin": {"champion": "r000-pac"},
    "collect": {"champion": "r000-pac", **tally(48, 100)},
    "append": {"snapshot": {"batches": []}, "snapshot_id": "none"},
    "learn": {"policy": "r001-pac"},
    "race": {"policy": "r001-pac", "episodes": 0},
    "judged": {
        "decision": "promoted",
        "reason": "61% of 100 against 48% of 100: evidence 3.10 exceeds 2.50",
        "champion": "r000-pac",
        "candidate": "r001-pac",
        "champion_successes": 48,
        "champion_n": 100,
        "champion_interval": wilson(48, 100),
        "candidate_successes": 61,
        "candidate_n": 100,
        "candidate_interval": wilson(61, 100),
        "level": 0.005,
    },
    "final-r001-pac": {"policy": "r001-pac", **tally(60, 100)},
}
"""Round 1 up to its waiting verdict; what is played after it is there already."""
MORE = {"approval-1": tally(27, 40)}


def measured(successes, n, **more):
    return {**tally(successes, n), "seconds": 2.0, **more}


def verdict(decision, candidate, successes, n, **more):
    return {
        "decision": decision,
        "reason": f"{candidate} <b>did</b> | so",
        "champion": "r000-pac",
        "champion_successes": 15,
        "champion_n": 30,
        "champion_interval": wilson(15, 30),
        "candidate": candidate,
        "candidate_successes": successes,
        "candidate_n": n,
        "candidate_interval": wilson(successes, n),
        "evidence": 3.5,
        "boundary": 2.5,
        "level": 0.005,
        "episodes_saved": 80,
        "seconds": 3.0,
        "alarm": None,
        **more,
    }


def put_policy(space, name, round, parent):
    pinned = space.outcome(round, "append")
    data = {
        "id": name,
        "lineage": {"round": round, "parent": parent, "snapshot": pinned["snapshot_id"], "seed": round},
        "acting": {"mode": "q_guided", "actions": 4, "floor": 0.05},
        "network": {},
        "figures": {},
    }
    space.policy_folder(name).mkdir(parents=True)
    write_json_atomically(space.policy_folder(name) / "policy.json", data)


@pytest.fixture(scope="session")
def two_rounds(tmp_path_factory):
    """Demonstrations, a BC baseline, a first champion, a promotion and a round that has only collected."""
    folder = tmp_path_factory.mktemp("rounds") / "arm"
    space = Workspace.create(folder, parse_config({"collect": {"episodes": 1000}}, "test"))
    add_demonstrations(
        folder, task="pacloop/stack", episodes=4, seed=0, clean=False, bare=False, progress=silent
    )
    snapshot = space.store.snapshot()
    pinned = {
        "snapshot": asdict(snapshot),
        "snapshot_id": snapshot.id,
        "episodes": 4,
        "rows": 400,
        "excluded": 0,
        "seconds": 0.5,
    }
    for number in (0, 1):
        space.write_outcome(number, "append", pinned)
        run = space.round_folder(number) / "learn-run"
        run.mkdir()
        lines = [{"step": k, "loss": 10 / k, "q": 0.1} for k in range(50, 501, 50)]
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (run / "state.json").write_text('{"learn": {"steps": 500}}')
    put_policy(space, "r000-pac", 0, None)
    put_policy(space, "r001-pac", 1, "r000-pac")
    space.write_outcome(0, "clone", {"policy": "r000-bc", "seconds": 1.0})
    space.write_outcome(0, "baseline", measured(2, 10, policy="r000-bc"))
    space.write_outcome(0, "learn", {"policy": "r000-pac", "seconds": 7.0})
    space.write_outcome(0, "race", {"policy": "r000-pac", "episodes": 6, "tried": [], "seconds": 1.0})
    learned = {"policy": "r001-pac", "parent": "r000-pac", "steps": 500, "seconds": 4.0}
    raced = {
        "policy": "r001-pac",
        "tried": [{"actions": 4, "way": "q_guided of 4", "successes": 3, "episodes": 6}],
        "episodes": 6,
        "seconds": 1.0,
    }
    space.write_outcome(1, "collect", measured(15, 30, champion="r000-pac"))
    space.write_outcome(1, "learn", learned)
    space.write_outcome(1, "race", raced)
    space.write_outcome(1, "gate", verdict("promoted", "r001-pac", 16, 20))
    space.write_outcome(2, "begin", {"champion": "r001-pac"})
    space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
    space.registry.install("r001-pac", reason="better", by="gate", round=1, action="promote")
    return space
