"""One Prefect server for all tests that need its API, and workspaces as the stages leave them."""

import json

import pytest
from recorded import play_collection, put, tally, verdict

from pacloop.datasets.files import write_json_atomically
from pacloop.flows.environment import prepare
from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.statistics.wilson import wilson
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.records import Appended, Way
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
    """Makes workspaces whose round 1 has a promotion that waits for a person, and nothing left to play."""
    return lambda **settings: waiting_space(tmp_path / "arm", **settings)


def waiting_space(folder, **gate):
    """Round 1 up to its waiting verdict; what is played after it is there already."""
    space = Workspace.create(folder, parse_config({"gate": {"approve": True, **gate}}, "test"))
    for policy in ("r000-pac", "r001-pac"):
        path = space.policy_folder(policy) / "policy.json"
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
    put(space, 0, "race", policy="r000-pac")
    for stage in ("begin", "append", "learn", "critic", "race"):
        put(space, 1, stage)
    play_collection(space, 1, "r000-pac", 48, 100)
    reason = "61% of 100 against 48% of 100: evidence 3.10 exceeds 2.50"
    arms = {"champion_successes": 48, "champion_n": 100, "champion_interval": wilson(48, 100)}
    judged = verdict("promoted", "r001-pac", 61, 100, reason=reason, level=0.005, **arms)
    put(space, 1, "judged", **judged)
    put(space, 1, "final-r001-pac", **tally(60, 100, policy="r001-pac"))
    return space


def put_policy(space, name, round, parent):
    pinned = space.record(Appended, round)
    data = {
        "id": name,
        "lineage": {"round": round, "parent": parent, "snapshot": pinned.snapshot_id, "seed": round},
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
    pinned = {"snapshot": snapshot, "snapshot_id": snapshot.id, "episodes": 4, "rows": 400}
    for number in (0, 1):
        put(space, number, "append", **pinned, seconds=0.5)
        run = space.round_folder(number) / "learn-run"
        run.mkdir()
        lines = [{"step": k, "loss": 10 / k, "q": 0.1} for k in range(50, 501, 50)]
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (run / "state.json").write_text('{"learn": {"steps": 500}}')
    put_policy(space, "r000-pac", 0, None)
    put_policy(space, "r001-pac", 1, "r000-pac")
    put(space, 0, "clone", policy="r000-bc")
    put(space, 0, "baseline", **tally(2, 10, policy="r000-bc"))
    put(space, 0, "learn", policy="r000-pac", seconds=7.0)
    put(space, 0, "race", policy="r000-pac", episodes=6)
    way = Way(way="q_guided of 4", actions=4, successes=3, episodes=6)
    play_collection(space, 1, "r000-pac", 15, 30)
    put(space, 1, "learn", parent="r000-pac", steps=500, seconds=4.0)
    put(space, 1, "race", tried=(way,), episodes=6)
    arms = {"champion_successes": 15, "champion_n": 30, "champion_interval": wilson(15, 30)}
    evidence = {"evidence": 3.5, "boundary": 2.5, "level": 0.005, "episodes_saved": 80}
    reason = "r001-pac <b>did</b> | so"
    put(space, 1, "gate", **verdict("promoted", "r001-pac", 16, 20, reason=reason, **arms, **evidence))
    put(space, 2, "begin", champion="r001-pac")
    space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
    space.registry.install("r001-pac", reason="better", by="gate", round=1, action="promote")
    return space
