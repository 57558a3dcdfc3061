"""No request leaves the machine and nothing listens beyond loopback: what the kernel was asked, by strace."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typed import PACLOOP, SMALL, free_port

from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is missing: apt-get install strace"),
]

LOOPBACK = re.compile(r"127\.|::1$|::ffff:127\.")
ADDRESS = re.compile(r'sin6?_port=htons\((\d+)\).*?inet_(?:addr\(|pton\(AF_INET6, )"([^"]+)"')
LISTENS = re.compile(r"listen\(\d+<TCP(?:v6)?:\[\[?([0-9a-f.:]+?)\]?:(\d+)\]>")


@pytest.fixture
def arm(tmp_path):
    space = Workspace.create(tmp_path / "arm", parse_config(SMALL, "test"))
    subprocess.run([PACLOOP, "demonstrate", "-w", space.folder, "--episodes", "6"], check=True)
    return space.folder


@pytest.fixture
def traced(tmp_path):
    """Starts a command whose calls, and those of all its children, are written to a file."""
    log = tmp_path / "calls.txt"
    strace = ["strace", "-f", "-qq", "--seccomp-bpf", "--signal=none", "-yy", "-s", "0", "-o", str(log)]
    calls = ["-e", "trace=connect,sendto,listen"]

    def start(*words):
        environment = os.environ | {"PREFECT_HOME": str(tmp_path / "prefect")}
        command = [*strace, *calls, PACLOOP, *map(str, words)]
        out = (tmp_path / "out.txt").open("w")
        return subprocess.Popen(command, stdout=out, stderr=out, env=environment)

    start.log, start.out = log, tmp_path / "out.txt"
    return start


def beyond_loopback(log):
    """Calls that look up a name, reach for another machine, or listen to one."""
    found = set()
    for line in log.read_text(errors="replace").splitlines():
        if (to := ADDRESS.search(line)) and (to[1] == "53" or not LOOPBACK.match(to[2])):
            found.add(line.partition(" ")[2])
        if (at := LISTENS.search(line)) and not LOOPBACK.match(at[1]):
            found.add(line.partition(" ")[2])
    return found


def test_the_trace_would_show_it(traced, monkeypatch):
    code = (
        "import socket; a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); a.connect(('192.0.2.1', 9)); "
    )
    code += "b = socket.socket(); b.bind(('', 0)); b.listen()"
    monkeypatch.setattr(sys.modules[__name__], "PACLOOP", sys.executable)
    assert traced("-c", code).wait(300) == 0
    found = "\n".join(beyond_loopback(traced.log))
    assert '"192.0.2.1"' in found and "listen(" in found


def test_a_round_stays_on_this_machine(arm, traced):
    done = traced("improve", "-w", arm, "--rounds", "1").wait()
    assert done == 1, traced.out.read_text()  # it ran, and the target is not reached
    assert len(re.findall(r"connect\(.*AF_INET", traced.log.read_text())) > 5, "strace saw nothing"
    assert beyond_loopback(traced.log) == set()


def test_the_ui_stays_on_this_machine(arm, traced):
    port = free_port()
    serving = traced("serve", "-w", arm, "--port", port)
    while "ready in" not in traced.out.read_text():
        assert serving.poll() is None, traced.out.read_text()
        time.sleep(0.5)
    (child,) = Path(f"/proc/{serving.pid}/task/{serving.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGINT)
    serving.wait()
    assert f"127.0.0.1:{port}" in "".join(LISTENS.sub(r"\1:\2", line) for line in traced.log.open())
    assert beyond_loopback(traced.log) == set()
