"""Seconds from `pacloop serve` to the UI answering, and where they go.

    OMP_NUM_THREADS=1 python benchmarks/serve.py

Once with a new home for Prefect, whose database is then made, and once again with the same. The parts are
run alone, each in a process of its own; the server's and the command's go on beside each other in `serve`.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from machine import machine

PACLOOP = str(Path(sys.executable).with_name("pacloop"))
DEADLINE_SEC = 600
PARTS = {
    "the command's imports": "import pacloop.flows.runs.deployments",
    "of which Prefect": "import prefect.client.orchestration",
    "the server's imports": "import prefect.server.api.server",
    "the server's application": """
from prefect.server.api.server import create_app
create_app(final=True)""",
    "the server's application, database made": """
import asyncio
from prefect.server.api.server import create_app
from prefect.server.database import provide_database_interface
create_app(final=True)
asyncio.run(provide_database_interface().create_db())""",
}


def main() -> None:
    print(machine())
    print("| `pacloop serve` | server answers | UI answers | deployments are ready | stopped after Ctrl-C |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        space, home = Path(folder) / "arm", str(Path(folder) / "prefect")
        space.mkdir()
        (space / "pacloop.toml").write_text('version = 1\ntask = "pacloop/stack"\n')
        for what in ("new home", "home that is there"):
            print(
                f"| {what} | " + " | ".join(f"{sec:.1f} s" for sec in served(space, home)) + " |", flush=True
            )
        print("\n| part, alone | seconds | of a processor |")
        print("|---|---|---|")
        for number, (name, code) in enumerate(PARTS.items()):
            wall, busy = alone(code, str(Path(folder) / f"home-{number}"))
            print(f"| {name} | {wall:.1f} | {busy:.1f} |", flush=True)


def served(space: Path, home: str) -> list[float]:
    """Seconds until the API answers, the UI does, and the command says that it is ready; and to stop."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = space.with_name("serve.log")
    command = [PACLOOP, "serve", "-w", str(space), "--port", str(port)]
    begun = time.monotonic()
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | {"PREFECT_HOME": home})
    found = [
        until(lambda: answers(f"http://127.0.0.1:{port}/api/health"), process, log) - begun,
        until(lambda: answers(f"http://127.0.0.1:{port}/v2/"), process, log) - begun,
        until(lambda: re.search("ready in", log.read_text()), process, log) - begun,
    ]
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.wait(DEADLINE_SEC)
    return [*found, time.monotonic() - asked]


def until(true: Callable[[], object], process: "subprocess.Popen[bytes]", log: Path) -> float:
    """When it became true."""
    while not true():
        if process.poll() is not None:
            raise SystemExit(log.read_text())
        time.sleep(0.05)
    return time.monotonic()


def answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=10) as answer:
        return answer.status == 200
    return False


def alone(code: str, home: str) -> tuple[float, float]:
    """Wall and processor seconds of a new Python process that runs the code."""
    before, begun = os.times(), time.monotonic()
    quiet = {"PREFECT_HOME": home, "PREFECT_LOGGING_SERVER_LEVEL": "CRITICAL", "DO_NOT_TRACK": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | quiet)
    after = os.times()
    busy = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - begun, busy


if __name__ == "__main__":
    main()
