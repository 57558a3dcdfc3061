"""The commands on a workspace that is a URL: from any machine, and wrong ones in one sentence."""

import json
import os
import subprocess

import pytest
from typed import PACLOOP, pacloop, refused

from pacloop.flows.cli.doctor import _workspace
from pacloop.flows.pages.round import success_page
from pacloop.flows.runs import events
from pacloop.flows.runs.deployments import deployments
from pacloop.flows.runs.plan import make_plan
from pacloop.loop.workspace.config import Config
from pacloop.loop.workspace.lease import hold
from pacloop.loop.workspace.records import Begun
from pacloop.loop.workspace.workspace import Workspace


@pytest.fixture
def url(s3, tmp_path, monkeypatch):
    monkeypatch.setenv("PACLOOP_CACHE", str(tmp_path / "one"))
    return f"s3://robots/{tmp_path.name}/arm"


def test_what_one_machine_makes_another_lists(url, tmp_path):
    two = {"PACLOOP_CACHE": str(tmp_path / "two"), "PACLOOP_WORKSPACE": url}
    done = pacloop("demonstrate", "--episodes", 2, "-w", url, cwd=tmp_path)
    assert done.stdout.splitlines()[-1].endswith(f"in {url}/dataset"), done.stderr
    done = pacloop("dataset", "exclude", "clumsy-s0-n2/1", "--reason", "it slipped", cwd=tmp_path, **two)
    assert (done.returncode, done.stderr) == (0, "")
    (batch,) = json.loads(pacloop("dataset", "ls", "--json", "-w", f"{url}/", cwd=tmp_path).stdout)
    assert (batch["id"], batch["excluded"]) == ("clumsy-s0-n2", 1)
    rows = json.loads(pacloop("status", "--json", cwd=tmp_path, **two).stdout)["rows"]
    assert [row["n"] for row in rows] == [2]
    assert {path.name for path in tmp_path.iterdir()} <= {"one", "two"}, "nothing is made beside the copies"


def test_wrong_places_are_one_sentence(s3, url, tmp_path):
    line = refused("status", "-w", "s3://nowhere/arm", cwd=tmp_path)
    assert line == "pacloop: s3://nowhere/arm/pacloop.toml cannot be read: there is no such bucket"
    line = refused("promote", "a", "--reason", "r", "-w", url, cwd=tmp_path)
    assert line.startswith(f"pacloop: {url} is no workspace: pacloop.toml is missing")
    s3.deny = True
    try:
        line = refused("improve", "-w", url, cwd=tmp_path)
    finally:
        s3.deny = False
    assert line == f"pacloop: {url}/pacloop.toml cannot be read: access denied (AccessDenied)"


def test_a_watcher_elsewhere_sees_what_ends(url, tmp_path):
    space = Workspace.create(url, Config())
    environment = os.environ | {"PACLOOP_CACHE": str(tmp_path / "two")}
    command = [PACLOOP, "status", "--watch", "--every", "0.2", "-w", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as watching:
        try:
            said = watching.stdout.readline
            assert said() == "nothing has begun that has not ended; at work: nobody\n"
            with hold(space):
                assert f"; at work: process {os.getpid()} on " in said()
                space.write_record(1, Begun(champion="a"))
                assert said().startswith("round 1, collect: 0 of 3000 episodes; at work: process")
        finally:
            watching.kill()


def test_forms_pages_and_events_name_the_url(url, monkeypatch, tmp_path):
    space = Workspace.create(url, Config())
    plan = make_plan(url)
    assert plan.name == "arm"
    assert {d.parameters["workspace"] for d in deployments(plan)} == {url}
    emitted = []
    monkeypatch.setattr("prefect.events.emit_event", lambda _, **event: emitted.append(event))
    monkeypatch.setattr(events, "_somebody_listens", lambda: True)
    events.emit(space, {"alarm": {}})
    assert emitted[0]["resource"]["prefect.resource.id"] == f"pacloop.workspace.{url}"
    assert f"Workspace: `{url}`" in success_page(space)
    assert Workspace.open(f"{url}/").address == url


def test_doctor_says_whether_the_bucket_is_in_reach(url, tmp_path):
    _, (check,) = _workspace(url)
    assert check.good and check.found == f"there is none at {url}"
    _, (check,) = _workspace("s3://nowhere/arm")
    assert not check.good and "there is no such bucket" in check.found
    Workspace.create(url, Config())
    _, (check,) = _workspace(url)
    assert check.good and check.found.startswith(f"{url} (pacloop/stack), local copy in {tmp_path / 'one'}")
