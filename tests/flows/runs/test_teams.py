"""A team's server: PostgreSQL, two loops at once, and a server that is away for more than a minute."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from typed import PACLOOP, free_port, small

from pacloop.flows.server.ask import answers
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.verdict import Verdict
from pacloop.loop.workspace.workspace import Workspace

PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(5400),
    pytest.mark.skipif(PROGRAMS is None, reason="PostgreSQL is missing: apt-get install postgresql"),
]

AWAY_SEC = 70


@pytest.fixture
def postgres(tmp_path_factory):
    """The URL of a database server of our own; it refuses to be root, so then it is the user `postgres`."""
    assert PROGRAMS
    folder, port = tmp_path_factory.mktemp("postgres"), free_port()
    user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    if user:
        for above in (folder, *folder.parents[: folder.parts.index(folder.parts[-1]) - 2]):
            above.chmod(0o711)
        shutil.chown(folder, "postgres", "postgres")
    data = str(folder / "data")
    init = [PROGRAMS / "initdb", "-D", data, "-U", "prefect", "-A", "trust", "-N", "-E", "UTF8"]
    subprocess.run(init, check=True, stdout=subprocess.DEVNULL, cwd="/", **user)
    command = [PROGRAMS / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", str(folder)]
    server = subprocess.Popen(command, stderr=(folder / "log").open("w"), cwd="/", **user)
    yield f"postgresql+asyncpg://prefect@127.0.0.1:{port}/postgres"
    server.terminate()
    server.wait(60)


@pytest.fixture
def server(postgres, tmp_path):
    """Starts a Prefect server as a team does, always on the same port; `stop` ends it."""
    port, home = free_port(), str(tmp_path / "server")
    running = []

    def start():
        told = {"PREFECT_HOME": home, "PREFECT_API_DATABASE_CONNECTION_URL": postgres}
        told["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
        words = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
        log = (tmp_path / "server.log").open("a")
        running.append(subprocess.Popen(words, env=os.environ | told, stdout=log, stderr=log))
        while not answers(start.url):
            assert running[-1].poll() is None, (tmp_path / "server.log").read_text()
            time.sleep(1)

    def stop():
        running[-1].terminate()
        running[-1].wait(120)

    start.url, start.stop = f"http://127.0.0.1:{port}/api", stop
    yield start
    stop()


def ask(url, path, **data):
    """A request to the server's API."""
    body = json.dumps(data).encode()
    request = urllib.request.Request(f"{url}{path}", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_two_loops_outlive_an_absence_of_their_server_and_the_ui_catches_up(server, tmp_path):
    settings = parse_config(small(improve={"rounds": 2}), "test")
    spaces = [Workspace.create(tmp_path / name, settings) for name in ("left", "right")]
    for space in spaces:
        subprocess.run([PACLOOP, "demonstrate", "-w", space.folder, "--episodes", "6"], check=True)
    server()
    told = os.environ | {"PREFECT_API_URL": server.url, "PREFECT_HOME": str(tmp_path / "client")}
    loops = []
    for space in spaces:
        log = space.folder.with_suffix(".log").open("w")
        command = [PACLOOP, "improve", "-w", str(space.folder)]
        loops.append(subprocess.Popen(command, env=told, stdout=log, stderr=log))
    while not all(space.has_record(0, "baseline") for space in spaces):
        assert all(loop.poll() is None for loop in loops), said(spaces)
        time.sleep(0.2)
    server.stop()
    time.sleep(AWAY_SEC)
    assert all(loop.poll() is None for loop in loops), said(spaces)
    server()
    assert [loop.wait() for loop in loops] == [1, 1], said(spaces)  # done; the target is not reached

    runs = ask(server.url, "/flow_runs/filter")
    left = [run["name"] for run in runs if run["state"]["type"] in ("RUNNING", "PENDING")]
    assert left == []
    artifacts = ask(server.url, "/artifacts/filter", artifacts={"key": {"any_": ["success-per-round"]}})
    for space in spaces:
        verdict = space.record(Verdict, 2)
        assert verdict and space.has_record(2, f"final-{space.registry.champion()}")
        name = f"round 2 - {verdict.candidate_rate:.0%} in the gate"
        ours = [r for r in runs if r["parameters"].get("workspace") == str(space.folder)]
        assert any(run["name"].startswith(name) for run in ours), [run["name"] for run in runs]
        pages = [a["data"] for a in artifacts if str(space.folder) in a["data"]]
        assert any("| round 2 |" in page and "| final |" in page for page in pages)


def said(spaces):
    return [space.folder.with_suffix(".log").read_text()[-3000:] for space in spaces]
