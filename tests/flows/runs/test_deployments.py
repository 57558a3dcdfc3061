"""What a server knows of two workspaces: names, tags and forms; and a real worker that runs one flow."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from typed import PACLOOP, pacloop, refused

from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace

FLOWS = ("improve", "inject-demonstrations", "evaluate-policy", "rollback")


@pytest.fixture
def client(prefect_api):
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def registered(client, tmp_path):
    """The deployments of two workspaces on one server, by their names."""
    from pacloop.flows.runs.deployments import deployments
    from pacloop.flows.runs.plan import make_plan

    for name in ("left arm", "right-arm"):
        settings = parse_config({"improve": {"rounds": 3}}, "test")
        folder = Workspace.create(tmp_path / name, settings).folder
        for deployment in deployments(make_plan(folder, every="6h", until=0.5, approve=True)):
            deployment.parameters["minutes"] = 7.0  # as of a command that said more
            deployment.apply()
            del deployment.parameters["minutes"]
            deployment.apply()
    return {d.name: d for d in client.read_deployments() if d.name.endswith("-arm")}


def test_two_workspaces_are_told_apart_by_name_and_tag_and_their_forms_say_what_they_mean(
    registered, tmp_path
):
    for name, folder in (("left-arm", "left arm"), ("right-arm", "right-arm")):
        tagged = [d for d in registered.values() if name in d.tags]
        assert sorted(d.name for d in tagged) == sorted(f"{flow}-{name}" for flow in FLOWS)
        assert {d.parameters["workspace"] for d in tagged} == {str(tmp_path / folder)}
        assert all("pacloop" in d.tags for d in tagged)

    improve = registered["improve-left-arm"]
    settings = {"until": 0.5, "approve": "yes"}
    assert improve.parameters == {"workspace": str(tmp_path / "left arm"), **settings}, "only what was given"
    assert improve.schedules[0].schedule.interval.total_seconds() == 6 * 3600
    for deployment in registered.values():
        assert deployment.enforce_parameter_schema
        form = deployment.parameter_openapi_schema["properties"]
        assert all(field["description"].endswith(".") for field in form.values())
    form = improve.parameter_openapi_schema["properties"]
    assert (form["rounds"]["minimum"], form["until"]["maximum"]) == (1, 1)
    assert form["approve"]["enum"] == [form["approve"]["default"], "yes", "no"]
    inject = registered["inject-demonstrations-left-arm"].parameter_openapi_schema
    assert inject["required"] == ["workspace", "path"]
    assert inject["properties"]["format"]["enum"][:2] == ["auto", "rlds"]
    assert inject["properties"]["path"]["minLength"] == 1


def test_a_form_filled_in_wrongly_is_refused_by_the_server(client, registered):
    from prefect.exceptions import PrefectHTTPStatusError

    for name, parameters in (
        ("improve-left-arm", {"rounds": 0}),
        ("improve-left-arm", {"until": 1.5}),
        ("improve-left-arm", {"approve": "perhaps"}),
        ("rollback-left-arm", {}),
        ("inject-demonstrations-left-arm", {"path": "x", "format": "csv"}),
        ("inject-demonstrations-left-arm", {"path": "https://anna:hush@host/x.npz"}),
        ("inject-demonstrations-left-arm", {"path": "https://host/x.npz?signature=hush"}),
    ):
        with pytest.raises(PrefectHTTPStatusError, match="409"):
            client.create_flow_run_from_deployment(registered[name].id, parameters=parameters)
    for path in ("/home/anna/what?.npz", "https://host/a@b.npz", "s3://bucket/x"):
        registered_id = registered["inject-demonstrations-left-arm"].id
        run = client.create_flow_run_from_deployment(registered_id, parameters={"path": path})
        assert run.parameters["path"] == path
        client.delete_flow_run(run.id)
    assert not any("hush" in str(run.parameters) for run in client.read_flow_runs())


def test_a_pool_that_is_not_there_is_one_sentence(tmp_path, prefect_api):
    space = Workspace.create(tmp_path / "poolless", parse_config({}, "test")).folder
    nobody = refused("deploy", "-w", space, "--pool", "robots", "--port", 9, cwd=tmp_path)
    assert "no Prefect server answers at http://127.0.0.1:9/api" in nobody
    words = ["deploy", "-w", space, "--pool", "missing"]
    assert "there is no work pool 'missing'" in refused(*words, cwd=tmp_path, PREFECT_API_URL=prefect_api)


@pytest.fixture
def asleep(client, tmp_path, request):
    """A workspace that a machine served that was switched off: the runs of `improve`, three being overdue."""
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId

    from pacloop.flows.runs.deployments import deployments
    from pacloop.flows.runs.plan import make_plan

    folder = Workspace.create(tmp_path / request.node.name, parse_config({}, "test")).folder
    improve = deployments(make_plan(folder, every="6h"))[0].apply()
    began, ended = ((datetime.now(UTC) - timedelta(hours=hours)).isoformat() for hours in (30, 1))
    ahead = {"start_time": began, "end_time": ended, "max_runs": 3}
    client.request("POST", "/deployments/{id}/schedule", path_params={"id": improve}, json=ahead)
    only = DeploymentFilter(id=DeploymentFilterId(any_=[improve]))

    def runs():
        due = datetime.now(UTC)
        return [run for run in client.read_flow_runs(deployment_filter=only) if run.expected_start_time < due]

    assert len(runs()) == 3
    return folder, improve, runs


def test_overdue_runs_are_not_played_by_who_serves_next(asleep, tmp_path, prefect_api):
    folder, _, runs = asleep
    serve = subprocess.Popen(
        [PACLOOP, "serve", "-w", folder, "--cron", "0 2 1 1 *"],
        stdout=subprocess.PIPE,
        env=os.environ | {"PREFECT_API_URL": prefect_api},
        text=True,
    )
    try:
        assert serve.stdout and "is served" in serve.stdout.readline()
        assert runs() == []
    finally:
        serve.send_signal(signal.SIGINT)
        serve.communicate(timeout=120)


def test_what_a_person_asked_for_outlives_a_new_registration(client, asleep, tmp_path, prefect_api):
    from prefect.client.schemas.actions import WorkPoolCreate

    folder, improve, runs = asleep
    client.create_work_pool(WorkPoolCreate(name="idle", type="process"))
    asked = client.create_flow_run_from_deployment(improve)
    done = pacloop("deploy", "-w", folder, "--pool", "idle", cwd=tmp_path, PREFECT_API_URL=prefect_api)
    assert done.returncode == 0, done.stderr
    assert [run.id for run in runs()] == [asked.id]
    assert not client.read_deployment(improve).paused


def test_another_who_serves_it_is_noticed(client, asleep):
    from pacloop.flows.runs.deployments import deployments, pause_registered
    from pacloop.flows.runs.plan import make_plan

    folder, improve, _ = asleep
    registered = deployments(make_plan(folder))
    assert not pause_registered(registered)
    registered[0].apply()
    client.get_scheduled_flow_runs_for_deployments([improve])  # as whoever serves it does every 10 s
    deadline = time.monotonic() + 60
    while not (noticed := pause_registered(registered)) and time.monotonic() < deadline:
        registered[0].apply()
        time.sleep(1)
    assert noticed
    assert not pause_registered(registered), "who stopped has paused it"


@pytest.mark.slow
def test_a_real_worker_runs_a_flow(client, waiting, tmp_path, prefect_api):
    from prefect.client.schemas.actions import WorkPoolCreate

    client.create_work_pool(WorkPoolCreate(name="robots", type="process"))
    space = waiting()
    space.registry.promote("r001-pac", reason="looks better", by="ben")
    told = {"PREFECT_API_URL": prefect_api}
    done = pacloop("deploy", "-w", space.folder, "--pool", "robots", cwd=tmp_path, **told)
    assert done.returncode == 0, done.stderr
    assert "prefect worker start --pool robots" in done.stdout
    rollback = client.read_deployment_by_name("rollback/rollback-arm")
    assert (rollback.work_pool_name, rollback.entrypoint) == (
        "robots",
        "pacloop.flows.runs.deployed.rollback_flow",
    )
    run = client.create_flow_run_from_deployment(
        rollback.id, parameters={"reason": "it scratches", "who": "anna"}
    )
    worker = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "robots", "--run-once"]
    subprocess.run(worker, env=os.environ | told, cwd=tmp_path, check=True, timeout=280)
    run = client.read_flow_run(run.id)
    assert run.state.is_completed(), run.state
    assert run.name == "rollback r001-pac to r000-pac"
    assert space.registry.champion() == "r000-pac"
