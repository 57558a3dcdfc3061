"""Runs of a killed process are closed by who holds the workspace then; those of a namesake are not."""

import shutil
import socket
from uuid import uuid4

import pytest

from pacloop.datasets.errors import PacloopError
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace


@pytest.fixture
def client(prefect_api):
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def space(tmp_path):
    return Workspace.create(tmp_path / "arm", parse_config({}, "test"))


@pytest.fixture
def running(client, space):
    """Makes a run that is `Running`, with these tags, as a process leaves it that was killed."""
    from prefect.states import Running

    from pacloop.flows.runs.rounds import round_flow

    def running(*tags, workspace=None):
        parameters = {"workspace": workspace or space.address, "number": 1}
        return client.create_flow_run(round_flow, parameters=parameters, tags=tags, state=Running()).id

    return running


def test_only_runs_that_this_machine_can_know_are_closed(client, space, running):
    from pacloop.flows.runs.dead import close_dead_runs

    own, here = f"holds:{space.id}", f"on:{socket.gethostname()}"
    dead = running(own, here)
    others = {
        "the same path on another machine": running(f"holds:{uuid4().hex[:16]}", "on:far-away"),
        "a copy on another machine": running(own, "on:far-away"),
        "a copy on this machine": running(own, here, workspace="/elsewhere/arm"),
        "one that does not hold it": running(f"workspace:{space.id}", here),
    }
    close_dead_runs(space)
    assert client.read_flow_run(dead).state.is_crashed()
    for what, run in others.items():
        assert client.read_flow_run(run).state.is_running(), what


def test_of_a_workspace_in_a_bucket_one_that_waits_for_it_goes_on(client, running, s3):
    """It has its deployment's tag, wherever it runs."""
    from pacloop.flows.runs.dead import close_dead_runs

    far = Workspace.create("s3://robots/waited-for", parse_config({}, "test"))
    waits = running(f"workspace:{far.id}", workspace=far.address)
    dead = running(f"workspace:{far.id}", f"holds:{far.id}", workspace=far.address)
    close_dead_runs(far)
    assert client.read_flow_run(waits).state.is_running()
    assert client.read_flow_run(dead).state.is_crashed()


def test_a_session_marks_its_own_run_and_those_inside(client, space):
    from prefect import flow
    from prefect.runtime import flow_run

    from pacloop.flows.runs.dead import close_dead_runs
    from pacloop.flows.runs.session import session

    @flow
    def inner(workspace):
        close_dead_runs(space)
        return str(flow_run.id)

    @flow
    def outer(workspace):
        with session(space):
            return str(flow_run.id), inner(workspace)

    runs = [client.read_flow_run(run) for run in outer(space.address)]
    marks = {f"workspace:{space.id}", f"holds:{space.id}", f"on:{socket.gethostname()}"}
    assert [marks <= set(run.tags) for run in runs] == [True, True]
    assert runs[1].state.is_completed()


def test_a_name_of_another_workspace_at_the_same_path_is_taken(client, space):
    from pacloop.flows.runs.deployments import check_name, deployments
    from pacloop.flows.runs.plan import make_plan

    first = deployments(make_plan(space.folder, name="twin"))
    for deployment in first:
        deployment.apply()
    check_name(make_plan(space.folder, name="twin"), first)
    (space.folder / "identity.json").unlink()
    with pytest.raises(PacloopError, match=r"knows another workspace as 'twin'.*choose another --name"):
        check_name(make_plan(space.folder, name="twin"), first)


def test_a_copy_is_refused_and_what_was_moved_is_not(space, tmp_path):
    from pacloop.flows.runs.session import session

    with session(space):
        pass
    shutil.copytree(space.folder, tmp_path / "copy")
    copy = Workspace.open(tmp_path / "copy")
    with pytest.raises(PacloopError, match=rf"copy is a copy of {space.folder}.*init --from"), session(copy):
        pass
    space.folder.rename(tmp_path / "gone")
    with session(copy):
        assert copy.id == space.id
    again = Workspace.open(tmp_path / "copy")
    with session(again):
        pass
