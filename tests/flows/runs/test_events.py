"""Events on a real server, and the example automation: an injection starts a round."""

import re
import time
from pathlib import Path

import numpy as np
import pytest
from recorded import record
from typed import pacloop

from pacloop.flows.runs import events
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace

DOCS = Path(__file__).parents[3] / "docs"
DEADLINE_SEC = 240


@pytest.fixture
def recording(tmp_path):
    """A good and a bad episode."""
    from pacloop.actors.tasks.stack.stack import STATE

    folder = tmp_path / "recording"
    folder.mkdir()
    for name, grip in (("good", 1.0), ("bad", 90.0)):
        seen = {f"observation/{k}": np.ones((6, n), "f4") for k, n in STATE.items()}
        np.savez(folder / f"{name}.npz", action=np.full((5, 5), grip), score=1.0, **seen)
    return folder


@pytest.fixture
def space(tmp_path):
    return Workspace.create(tmp_path / "arm", parse_config({}, "test"))


def until(found):
    for _ in range(DEADLINE_SEC):
        if value := found():
            return value
        time.sleep(1)
    raise AssertionError("nothing came in time")


def test_an_injection_is_told_and_the_example_automation_starts_a_run(
    prefect_api, space, recording, tmp_path
):
    import yaml
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
    from prefect.events.schemas.automations import AutomationCore

    from pacloop.flows.runs.deployments import deployments
    from pacloop.flows.runs.plan import make_plan

    text = (DOCS / "improve-when-injected.yaml").read_text()
    improve = deployments(make_plan(space.folder))[0].apply()
    text = text.replace("/home/anna/arm", str(space.folder)).replace("DEPLOYMENT", str(improve))
    with get_client(sync_client=True) as client:
        client.create_automation(AutomationCore.model_validate(yaml.safe_load(text)))
        done = pacloop("inject", recording, "-w", space.folder, cwd=tmp_path, PREFECT_API_URL=prefect_api)
        assert done.returncode == 0, done.stderr
        ours = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[improve]))
        (run,) = until(lambda: client.read_flow_runs(flow_run_filter=ours))
        assert run.parameters["rounds"] == 1
        assert run.parameters["workspace"] == str(space.folder)
        found = until(lambda: _emitted(client, space, 2))
    assert sorted(event["event"] for event in found) == ["pacloop.injected", "pacloop.quarantined"]
    (batch,) = space.store.batches()
    for event in found:
        assert (event["payload"]["accepted"], event["payload"]["quarantined"]) == (1, 1)
        related = {r["prefect.resource.id"]: r["prefect.resource.role"] for r in event["related"]}
        assert related[f"pacloop.batch.{space.folder}/{batch.id}"] == "batch"


def test_a_round_that_waits_is_told_with_its_figures_and_then_its_end(prefect_api, waiting):
    from prefect.client.orchestration import get_client

    from pacloop.flows.runs.rounds import round_flow
    from pacloop.flows.runs.session import session

    space = waiting(approve_hours=1e-4)
    with session(space):
        round_flow(str(space.folder), 1)
    with get_client(sync_client=True) as client:
        found = {event["event"]: event for event in until(lambda: _emitted(client, space, 2))}
    assert set(found) == {"pacloop.waits", "pacloop.undecided"}
    asked = found["pacloop.waits"]
    assert asked["resource"]["prefect.resource.id"] == f"pacloop.workspace.{space.folder}"
    assert asked["payload"]["candidate_successes"] == 61
    roles = {r["prefect.resource.role"]: r["prefect.resource.id"] for r in asked["related"]}
    assert roles["candidate"] == f"pacloop.policy.{space.folder}/r001-pac"
    assert roles["flow-run"].startswith("prefect.flow-run."), "the run's page is one click away"


def _emitted(client, space, n):
    """The events of a workspace, once there are `n`."""
    wanted = {"filter": {"resource": {"id": [f"pacloop.workspace.{space.address}"]}}}
    found = client._client.post("/events/filter", json=wanted).json()["events"]
    return found if len(found) >= n else None


def test_where_nobody_listens_nothing_fails_and_nothing_waits(space):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    for url in (None, "http://127.0.0.1:9/api"):
        with temporary_settings({PREFECT_API_URL: url}):
            assert not events._somebody_listens()
            events.emit(space, {"promoted": {"unwritable": object()}})


def test_what_happens_together_asks_once_whether_somebody_listens(space, monkeypatch):
    from pacloop.flows.server import ask

    asked, emitted = [], []
    monkeypatch.setattr(ask, "configured", lambda: "http://127.0.0.1:9/api")
    monkeypatch.setattr(ask, "answers", lambda url: asked.append(url) or True)
    monkeypatch.setattr("prefect.events.emit_event", lambda event, **_: emitted.append(event))
    events.emit_verdict(space, 1, record("gate", alarm="it dropped"))
    assert emitted == ["pacloop.undecided", "pacloop.alarm"]
    assert len(asked) == 1


def test_every_event_is_documented():
    named = re.findall(r"`pacloop\.([a-z-]+)`", (DOCS / "automate.md").read_text())
    assert set(named) == set(events.EVENTS)
