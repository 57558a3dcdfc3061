"""`pacloop serve` as a user starts it, watches it and stops it; one real server for all of it."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from typed import PACLOOP, free_port, refused, shown_to

from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.lease import current_holder
from pacloop.loop.workspace.records import Appended
from pacloop.loop.workspace.workspace import Workspace

DEADLINE_SEC = 240


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serve") / "my arm"
    return Workspace.create(folder, parse_config({"improve": {"rounds": 3}}, "test")).folder


@pytest.fixture(scope="module")
def port():
    return free_port()


def ask(port, path, **data):
    """A request to the server's API; it says 503 now and then."""
    url = f"http://127.0.0.1:{port}/api"
    headers = {"content-type": "application/json", "authorization": shown_to(url)}
    request = urllib.request.Request(f"{url}{path}", json.dumps(data).encode(), headers)
    for _ in range(20):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            time.sleep(1)
    raise AssertionError("503 twenty times")


@contextmanager
def serving(space, port, home):
    """What `pacloop serve` prints and how it ends, interrupted after the block."""
    command = [PACLOOP, "serve", "-w", str(space), "--every", "6h", "--until", "0.5", "--port", str(port)]
    environment = os.environ | {"PREFECT_HOME": str(home)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout
    found = {"printed": [process.stdout.readline() for _ in range(9)], "home": home}
    try:
        found["deployments"] = {d["name"]: d for d in ask(port, "/deployments/filter")}
        yield found
    finally:
        process.send_signal(signal.SIGINT)
        found["last"], found["stderr"] = process.communicate(timeout=120)
        found["exit"] = process.returncode


@pytest.fixture(scope="module")
def served(space, port, tmp_path_factory):
    """What the server knew while it ran, what was printed, and whether anything was left."""
    home = tmp_path_factory.mktemp("prefect")
    with serving(space, port, home) as found:
        other = Workspace.create(space.parent / "other" / "my arm", parse_config({}, "test")).folder
        found["other"] = refused("serve", "-w", other, "--port", port, cwd=home, PREFECT_HOME=str(home))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ui-settings", timeout=30) as answer:
            found["ui"] = json.load(answer)
        rollback = found["deployments"]["rollback-my-arm"]["id"]
        wanted = {"parameters": {"reason": "it scratches"}, "state": {"type": "SCHEDULED"}}
        run = ask(port, f"/deployments/{rollback}/create_flow_run", **wanted)
        found["run"] = _ended(port, run["id"])
        logs = ask(port, "/logs/filter", logs={"flow_run_id": {"any_": [run["id"]]}})
        found["logs"] = "\n".join(log["message"] for log in logs)
    return found


def _at_work(port, deployment, space):
    """Starts `improve`, unless its schedule did already; the run, once it learns."""
    metrics, begun = space / "rounds" / "000" / "clone-run" / "metrics.jsonl", time.time()
    running = {"deployment_id": {"any_": [deployment]}, "state": {"type": {"any_": ["RUNNING"]}}}
    if not ask(port, "/flow_runs/filter", flow_runs=running):
        ask(port, f"/deployments/{deployment}/create_flow_run", state={"type": "SCHEDULED"})
    for _ in range(DEADLINE_SEC):
        found = ask(port, "/flow_runs/filter", flow_runs=running)
        if found and metrics.exists() and metrics.stat().st_mtime > begun:
            return found[0]["id"]
        time.sleep(1)
    raise AssertionError("nothing is learned in time")


def _ended(port, run):
    for _ in range(DEADLINE_SEC):
        state = ask(port, "/flow_runs/filter", flow_runs={"id": {"any_": [run]}})[0]["state"]
        if state["type"] in ("COMPLETED", "FAILED", "CANCELLED", "CRASHED"):
            return state
        time.sleep(1)
    raise AssertionError(f"the run is still {state['name']}")


def test_the_address_and_what_is_there_are_printed(served, port):
    text = "".join(served["printed"])
    assert f"http://127.0.0.1:{port}/v2/deployments" in text
    assert f"http://127.0.0.1:{port}/v2/artifacts/key/success-per-round" in text
    assert f"a browser asks once for the string in {Path.home()}/.pacloop/" in text
    assert "improve runs every 6:00:00, at most 3 rounds each time, until 50%" in text


def test_the_ui_asks_this_server_and_nobody_else(served, port):
    assert (served["ui"]["api_url"], served["ui"]["auth"]) == ("/api", "BASIC")


def test_four_deployments_with_name_tag_and_the_workspaces_settings(served, space):
    found = served["deployments"]
    flows = ("evaluate-policy", "improve", "inject-demonstrations", "rollback")
    assert sorted(found) == [f"{flow}-my-arm" for flow in flows]
    tags = ["pacloop", "my-arm", f"workspace:{Workspace.open(space).id}"]
    assert all(d["tags"] == tags for d in found.values())
    improve = found["improve-my-arm"]
    asked = {"workspace": str(space), "until": 0.5}
    assert improve["parameters"] == asked
    assert [s["schedule"]["interval"] for s in improve["schedules"]] == [6 * 3600]
    assert found["rollback-my-arm"]["schedules"] == []


def test_a_run_ends_in_a_sentence_and_no_traceback(served):
    assert served["run"]["name"] == "Failed"
    assert served["run"]["message"] == "there is no champion before this one to roll back to"
    assert "Traceback" not in served["logs"] + served["stderr"]


def test_another_workspace_of_the_same_name_is_told_apart(served, space):
    own = f"another workspace as 'my-arm', {space} (workspace:{Workspace.open(space).id}; "
    assert own in served["other"]
    assert "choose another --name" in served["other"]


def test_an_interrupt_leaves_nothing_running_and_says_how_the_schedule_is(served, port):
    assert served["exit"] == 0
    assert "the schedule is paused" in served["last"]
    assert "the Prefect server is stopped" in served["last"]
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert _processes_of(served["home"]) == []


@pytest.mark.slow
def test_a_cancelled_run_and_an_interrupted_one_leave_a_workspace_that_goes_on(tmp_path, port):
    """The workspace's first learner run takes longer than the test."""
    space, learn = tmp_path / "my arm", {"clone_steps": 100_000, "batch_size": 32}
    opened = Workspace.create(space, parse_config({"learn": learn}, "test"))
    made = {"task": "pacloop/stack", "episodes": 4, "seed": 0, "clean": False, "bare": False}
    add_demonstrations(space, **made, progress=silent)
    with serving(space, port, tmp_path / "prefect") as found:
        improve = found["deployments"]["improve-my-arm"]["id"]
        run = _at_work(port, improve, space)
        ask(port, f"/flow_runs/{run}/set_state", state={"type": "CANCELLING"})
        assert _ended(port, run)["name"] == "Cancelled"
        assert current_holder(space) is None, "nobody is at work"
        assert opened.record(Appended, 0).episodes == 4
        _at_work(port, improve, space)
    assert found["exit"] == 0, found["stderr"]
    assert "the schedule is paused" in found["last"]
    assert _processes_of(tmp_path / "prefect") == []
    assert current_holder(space) is None
    assert opened.store.verify() == []


def _processes_of(home):
    return [p for p in Path("/proc").glob("[0-9]*") if str(home).encode() in _environment(p)]


def _environment(process):
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


def test_bad_use_is_one_sentence(space, tmp_path):
    assert "is no workspace" in refused("serve", "-w", "nowhere", cwd=tmp_path)
    assert "at least a minute" in refused("serve", "-w", space, "--every", "often", cwd=tmp_path)
    assert "--cron is 'daily'" in refused("serve", "-w", space, "--cron", "daily", cwd=tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} is taken" in refused("serve", "-w", space, "--port", port, cwd=tmp_path)
    nobody = "http://127.0.0.1:9/api"
    assert f"PREFECT_API_URL is {nobody}" in refused(
        "serve", "-w", space, cwd=tmp_path, PREFECT_API_URL=nobody
    )
