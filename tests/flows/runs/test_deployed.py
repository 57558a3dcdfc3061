"""The forms ask what the settings mean; the flows end in a sentence. No server is needed here."""

import json
import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from pacloop.datasets import Episode
from pacloop.datasets.errors import PacloopError
from pacloop.datasets.imports.detect import FORMATS
from pacloop.flows.environment import prepare
from pacloop.loop.workspace.config import Improve, config_toml, parse_config
from pacloop.loop.workspace.lease import lease
from pacloop.loop.workspace.workspace import Workspace

prepare()
deployed = pytest.importorskip("pacloop.flows.runs.deployed")
deployments = pytest.importorskip("pacloop.flows.runs.deployments").deployments
logged = pytest.importorskip("pacloop.flows.runs.log").logged
make_plan = pytest.importorskip("pacloop.flows.runs.plan").make_plan


@pytest.fixture
def space(tmp_path):
    return Workspace.create(tmp_path / "space", parse_config({}, "test"))


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    """What the flows tell Prefect, here and now."""
    left = {}
    monkeypatch.setattr(deployed, "get_run_logger", lambda: logging.getLogger("test"))
    monkeypatch.setattr(deployed, "rename", lambda name: left.update(name=name))
    monkeypatch.setattr(deployed, "publish", lambda space: None)
    monkeypatch.setattr(deployed, "create_markdown_artifact", lambda text, key: left.update({key: text}))
    return left


def fields(flow):
    return flow.parameters.properties


def test_the_forms_have_the_bounds_of_the_settings_and_are_empty():
    setting = Improve.model_json_schema()["properties"]
    form = fields(deployed.improve_flow)
    for name in ("rounds", "until", "minutes"):
        for key in ("minimum", "exclusiveMinimum", "maximum", "type"):
            assert form[name].get(key) == setting[name].get(key), (name, key)
        assert form[name]["default"] is None
    assert fields(deployed.evaluate_flow)["episodes"]["minimum"] == 1


def test_a_run_of_a_form_or_schedule_does_as_the_file_says_when_it_begins(space, monkeypatch):
    """Also one whose deployment was registered before the file was edited."""
    (deployment, *_) = deployments(make_plan(space.folder, until=0.5))
    ran = []

    def stop(space, progress):
        ran.append(space.config)
        raise PacloopError("enough")

    monkeypatch.setattr(deployed, "improve_with_prefect", stop)
    edited = parse_config({"gate": {"approve": True}, "improve": {"rounds": 3, "until": 0.8}}, "test")
    (space.folder / "pacloop.toml").write_text(config_toml(edited))
    for given in ({}, {"rounds": None, "minutes": None}, {"approve": "no", "rounds": 2, "until": 0.7}):
        parameters = deployment.parameters | given
        deployed.improve_flow.fn(**deployed.improve_flow.validate_parameters(parameters))
    assert [(c.gate.approve, c.improve.rounds, c.improve.until) for c in ran] == [
        (True, 3, 0.5),
        (True, 3, 0.5),
        (False, 2, 0.7),
    ]


def test_a_deployment_that_holds_the_settings_of_an_earlier_time_plays_nothing(space):
    frozen = {"workspace": str(space.folder), "rounds": 8, "until": 0.93, "minutes": 0.0, "approve": False}
    state = deployed.improve_flow.fn(**deployed.improve_flow.validate_parameters(frozen))
    assert state.is_failed()
    assert state.message.startswith("this deployment was registered by an earlier pacloop")
    assert not space.rounds()


def test_the_formats_are_those_that_can_be_read():
    assert fields(deployed.inject_flow)["format"]["enum"] == ["auto", *FORMATS]


@pytest.mark.parametrize("name", ["improve_flow", "inject_flow", "evaluate_flow", "rollback_flow"])
def test_every_field_says_what_it_means(name):
    flow = getattr(deployed, name)
    assert all(field["description"].endswith(".") for field in fields(flow).values())
    assert flow.description


def test_what_must_be_filled_in():
    assert deployed.rollback_flow.parameters.required == ["workspace", "reason"]
    assert deployed.inject_flow.parameters.required == ["workspace", "path"]


@pytest.mark.parametrize(
    "path, fits",
    [
        ("/data/my recordings/a:b.npz", True),
        ("recording", True),
        ("s3://robots/arm@2/episodes", True),
        ("https://example.org:8080/episode.npz", True),
        ("", False),
        ("https://anna:secret@example.org/episode.npz", False),
        ("https://example.org/episode.npz?X-Amz-Signature=secret", False),
        ("s3://robots?signature=secret", False),
    ],
)
def test_a_form_refuses_an_address_that_carries_secrets(path, fits):
    from jsonschema import Draft202012Validator

    checked = Draft202012Validator(deployed.inject_flow.parameters.model_dump_for_openapi())
    assert checked.is_valid({"workspace": "arm", "path": path}) == fits


def test_an_injection_leaves_its_table_and_quarantine(space, tmp_path, no_server):
    from pacloop.actors.tasks.stack.stack import STATE

    folder = tmp_path / "recording"
    folder.mkdir()
    for name, grip in (("good", 1.0), ("bad|one", 90.0)):
        seen = {f"observation/{k}": np.ones((6, n), "f4") for k, n in STATE.items()}
        np.savez(folder / f"{name}.npz", action=np.full((5, 5), grip), score=1.0, **seen)
    state = deployed.inject_flow.fn(str(space.folder), str(folder), "auto", "first", "anna", False)
    assert state.is_completed()
    assert no_server["name"] == "inject recording - 1 added, 0 known, 1 bad"
    page = no_server["injection"]
    for words in (
        "| accepted | 1 |",
        "| quarantined | 1 |",
        "## Quarantine",
        "bad\\|one.npz",
        "for anna. first",
    ):
        assert words in page
    (batch,) = space.store.batches()
    assert (batch.origin["by"], batch.origin["note"]) == ("anna", "first")
    strict = deployed.inject_flow.fn(str(space.folder), str(folder), "npz", "", "", True)
    assert strict.is_failed()
    assert "nothing was added" in strict.message


@pytest.mark.parametrize("url", ["https://anna:hush@host/x.npz", "https://host/x.npz?signature=hush"])
def test_a_secret_in_a_url_goes_no_further(space, no_server, url):
    """A server that was told not to hold forms to their bounds has passed it on."""
    state = deployed.inject_flow.fn(str(space.folder), url)
    assert state.is_failed() and "inject it in a terminal" in state.message
    assert "hush" not in state.message + str(no_server)


def test_a_users_mistake_is_a_failed_run_with_a_sentence(space, tmp_path):
    for state, says in [
        (deployed.rollback_flow.fn(str(space.folder), "why", "anna"), "no champion before this one"),
        (deployed.rollback_flow.fn(str(tmp_path / "nowhere"), "why", ""), "is no workspace"),
        (deployed.inject_flow.fn(str(space.folder), "/nowhere.npz", "auto", "", "", False), "does not exist"),
        (deployed.evaluate_flow.fn(str(space.folder), "r009-pac", 4, "", False), "r009-pac"),
        (deployed.evaluate_flow.fn(str(space.folder), "a", 4, "a", False), "cannot be compared with itself"),
        (deployed.evaluate_flow.fn(str(space.folder), "a", 4, "", True), "fill in against"),
    ]:
        assert state.is_failed(), state
        assert says in state.message


@pytest.mark.parametrize(
    ("policy", "against", "words"), [("good", "bad", "better"), ("bad", "good", "rejected")]
)
def test_two_policies_are_compared_as_on_the_command_line(space, no_server, policy, against, words):
    """All that is to be played is on the disk already, as after a kill."""
    for name, score, stage in ((policy, policy == "good", ""), (against, against == "good", "-against")):
        put_policy(space, name)
        made = [episode(space, seed, float(score)) for seed in range(20)]
        origin = {"policy": name, "stage": f"compare0000{stage}"}
        batch = f"compare0000{stage}-00000"
        space.store.append(made, batch_id=batch, source="evaluation", origin=origin)
    state = deployed.evaluate_flow.fn(str(space.folder), policy, 20, against, False)
    assert state.is_completed(), state.message
    assert no_server["name"] == f"evaluate {policy} against {against} - {words}"
    record = json.loads((space.folder / "evaluations" / "0000.json").read_text())
    assert (record["candidate"], record["champion"], record["decision"]) == (policy, against, words)
    assert record["reason"] in state.message
    page = no_server["evaluation"]
    assert page.startswith(f"# {policy} against {against}: {words}")
    assert f"| policy | `{policy}` |" in page and f"| against | `{against}` |" in page


def put_policy(space, name):
    import torch

    from pacloop.learner.checkpoint import PolicyRecord, write_policy
    from pacloop.learner.config import PacConfig
    from pacloop.learner.policy import Acting

    record = PolicyRecord(name, space.task.schema, PacConfig(), Acting("sample"), {"round": 0}, {})
    write_policy(space.policy_folder(name), record, {"w": torch.zeros(1)})


def episode(space, seed, score):
    fields = space.task.schema.observation.items()
    seen = {name: np.full((3, *field.shape), seed, np.float32) for name, field in fields}
    flow = np.ones(2, np.float32)
    return Episode(seen, np.zeros((2, 5), np.float32), 0 * flow, flow, score=score, seed=seed)


def test_what_nobody_foresaw_ends_a_run_in_a_sentence_too(space, monkeypatch):
    def broken(space, progress):
        with logged(space):
            raise KeyError("goal")

    monkeypatch.setattr(deployed, "improve_with_prefect", broken)
    state = deployed.improve_flow.fn(str(space.folder))
    (log,) = (space.folder / "logs").iterdir()
    assert state.is_failed() and state.message == f"KeyError: 'goal'; all of it is in {log}"


def test_a_workspace_in_use_is_skipped(space):
    space.store.append([episode(space, 1, 1.0)], batch_id="demonstrations", source="demonstration")
    with lease(space.folder):
        for state in (
            deployed.improve_flow.fn(str(space.folder), 1, 0.9, 0.0),
            deployed.evaluate_flow.fn(str(space.folder), "", 4, "", False),
        ):
            assert (state.type.value, state.name) == ("CANCELLED", "Skipped")
            assert "is in use by process" in state.message


@pytest.mark.parametrize(("scheduled", "minutes", "plays"), [(True, 11, 0), (True, 5, 1), (False, 600, 1)])
def test_an_overdue_run_of_a_schedule_plays_nothing(space, monkeypatch, scheduled, minutes, plays):
    due = datetime.now(UTC) - timedelta(minutes=minutes)
    run = SimpleNamespace(auto_scheduled=scheduled, expected_start_time=due)
    monkeypatch.setattr(deployed.FlowRunContext, "get", lambda: SimpleNamespace(flow_run=run))
    asked = []

    def open_workspace(*_, **__):
        asked.append(1)
        raise PacloopError("enough")

    monkeypatch.setattr(deployed, "open_workspace", open_workspace)
    state = deployed.improve_flow.fn(str(space.folder))
    assert len(asked) == plays
    assert state.name == ("Failed" if plays else "Skipped")


def test_a_rollback_is_on_record(space, no_server, monkeypatch):
    for policy in ("a", "b"):
        path = space.policy_folder(policy) / "policy.json"
        path.parent.mkdir(parents=True)
        path.write_text("{}")
        space.registry.promote(policy, reason="test", by="test")
    state = deployed.rollback_flow.fn(str(space.folder), "it scratches", "anna")
    assert state.is_completed()
    assert no_server["name"] == "rollback b to a"
    last = space.registry.history()[-1]
    assert (last.policy, last.reason, last.by) == ("a", "it scratches", "anna")
