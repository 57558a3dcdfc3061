"""One Prefect server for all tests that need its API, and a workspace whose promotion waits."""

import pytest

from pacloop.flows.environment import prepare
from pacloop.loop.config import parse_config
from pacloop.loop.statistics import wilson
from pacloop.loop.workspace import Workspace


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

    def waiting(**gate):
        space = Workspace.create(tmp_path / "arm", parse_config({"gate": {"approve": True, **gate}}, "test"))
        for policy in ("r000-pac", "r001-pac"):
            path = space.policy_folder(policy) / "policy.json"
            path.parent.mkdir(parents=True)
            path.write_text("{}")
        space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
        space.write_outcome(0, "race", {"policy": "r000-pac", "episodes": 0, "seconds": 1.0})
        for stage, outcome in OUTCOMES.items():
            space.write_outcome(1, stage, {"seconds": 1.0, **outcome})
        return space

    return waiting


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
    "approval-1": tally(27, 40),
    "final-r001-pac": {"policy": "r001-pac", **tally(60, 100)},
}
"""Round 1 up to its waiting verdict; what is played after it is there already."""
