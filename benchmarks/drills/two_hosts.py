"""What runs on two hosts and on the hub between them, and what it needs to know."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fast
import on_host
from namespaces import HUB, Host

PORT, API_PORT = 5000, 4200
LIMIT_SEC = 600.0


@dataclass
class Stage:
    """Where the drill plays: the hub, the hosts, and what the commands there need to know."""

    root: Path
    hub: str
    hosts: dict[str, Host]

    def run(self, where: str, *words: str) -> "subprocess.Popen[bytes]":
        """Start a part of this script on a host, or in the hub."""
        return self.start(where, [sys.executable, str(Path(on_host.__file__).resolve()), *words])

    def start(self, where: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        """Start a command on a host, or in the hub."""
        if where != "hub":
            return self.hosts[where].run(command, environment(Path("/mnt")), self.log(where))
        inside = ["ip", "netns", "exec", self.hub, *command]
        with self.log(where).open("ab") as out:
            return subprocess.Popen(inside, env=environment(self.root), stdout=out, stderr=out)

    def ended(self, where: str, *words: str) -> int:
        return self.run(where, *words).wait(LIMIT_SEC)

    def state(self, place: str, where: str = "hub") -> dict[str, Any]:
        """The state of a run that has ended; empty where it cannot be had."""
        name = f"state-{secrets.token_hex(4)}.json"
        at = self.root / name if where == "hub" else Path("/mnt") / name
        file = self.root / name if where == "hub" else self.hosts[where].folder / name
        return json.loads(file.read_text()) if self.ended(where, "state", place, str(at)) == 0 else {}

    def log(self, where: str) -> Path:
        return self.root / f"{where}.log"

    def said(self, where: str) -> str:
        """The last line of what was printed there."""
        return (self.log(where).read_text().strip().splitlines() or [""])[-1].strip()

    def ask(self, path: str, **data: Any) -> Any:
        """A request to the server's API."""
        code = (
            "import json, sys, urllib.request as u; r = u.Request(sys.argv[1], sys.argv[2].encode(), "
            "{'content-type': 'application/json'}); print(u.urlopen(r, timeout=60).read().decode())"
        )
        words = [sys.executable, "-c", code, f"http://{HUB}:{API_PORT}/api{path}", json.dumps(data)]
        done = subprocess.run(["ip", "netns", "exec", self.hub, *words], capture_output=True, check=True)
        return json.loads(done.stdout)


def environment(home: Path) -> dict[str, str]:
    """What a command needs to know whose home is there."""
    return os.environ | {
        "HOME": str(home),
        "PACLOOP_CACHE": str(home / "cache"),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": f"http://{HUB}:{API_PORT}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PYTHONPATH": fast.python_path(),
        "AWS_ENDPOINT_URL": f"http://{HUB}:{PORT}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_REGION": "us-east-1",
    }


def until(holds: Callable[[], Any], or_else: str, *processes: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + LIMIT_SEC
    while not holds():
        assert time.monotonic() < end and all(one.poll() is None for one in processes), or_else
        time.sleep(0.5)


@contextmanager
def bucket(stage: Stage) -> Iterator[None]:
    """moto's S3 in the hub, with the bucket `robots`."""
    server = stage.start("hub", [sys.executable, "-m", "moto.server", "-H", HUB, "-p", str(PORT)])
    make = "import urllib.request as u; u.urlopen(u.Request('http://{}:{}/robots', method='PUT'))"
    try:
        words = [sys.executable, "-c", make.format(HUB, PORT)]
        until(lambda: stage.start("hub", words).wait() == 0, "no bucket", server)
        yield
    finally:
        server.kill()
        server.wait()
