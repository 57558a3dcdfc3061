"""A run with secrets in its commands and its environment, and a search for them in all that it left."""

import base64
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx
from foreign import write_npz

PACLOOP = str(Path(sys.executable).with_name("pacloop"))
PASSWORD, SIGNATURE, KEY = "correct-horse-7731", "5f3759df-signature", "AKIA-battery-staple-4242"
SETTINGS = {
    "collect": {"episodes": 8, "environments": 4, "actors": 1},
    "learn": {"clone_steps": 20, "improve_steps": 20, "minimum_steps": 20, "maximum_steps": 20},
    "act": {"trial_actions": [2], "trial_episodes": 4},
    "gate": {"cap": 8, "block": 4},
    "improve": {"baseline_episodes": 4, "evaluation_episodes": 4, "rounds": 1},
}
DEADLINE_SEC = 200


def searched(folder: Path) -> Iterator[tuple[str, int, list[str]]]:
    """Run it; then each secret, how many files were searched, and those that have it."""
    printed, string = run(folder)
    (folder / "printed.txt").write_text(printed)
    looked_for = {
        "password": PASSWORD,
        "signature": SIGNATURE,
        "bucket's key": KEY,
        "server's string": string,
    }
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    contents = {path: path.read_bytes() for path in files}
    for name, secret in looked_for.items():
        forms = (secret.encode(), base64.b64encode(secret.encode()))
        found = [path for path, content in contents.items() if any(form in content for form in forms)]
        yield name, len(files), [f"it is in {path.relative_to(folder)}" for path in found]


def run(folder: Path) -> tuple[str, str]:
    """Inject from an address with secrets in each way, and improve; what was printed, and the string."""
    from pacloop.loop.workspace.config import parse_config  # pyright: ignore[reportMissingImports]
    from pacloop.loop.workspace.workspace import Workspace  # pyright: ignore[reportMissingImports]

    space = folder / "arm"
    Workspace.create(space, parse_config(SETTINGS, "drill"))
    environment = os.environ | {
        "HOME": str(folder / "home"),
        "PREFECT_HOME": str(folder / "prefect"),
        "RAY_TMPDIR": str(folder / "ray"),
        "TMPDIR": str(folder / "tmp"),
        "AWS_ACCESS_KEY_ID": "drill",
        "AWS_SECRET_ACCESS_KEY": KEY,
    }
    for name in ("home", "ray", "tmp"):
        (folder / name).mkdir()
    printed = []

    def command(*words: object, **more: str) -> None:
        done = subprocess.run(
            [PACLOOP, *map(str, words)], env=environment | more, capture_output=True, text=True
        )
        printed.append(done.stdout + done.stderr)

    command("demonstrate", "--workspace", space, "--episodes", "6")
    with recording(folder, environment) as address, serving(space, environment, printed) as (api, string):
        query = f"?X-Amz-Signature={SIGNATURE}"
        for path in (f"/episode_0.npz{query}", f"/missing.npz{query}", f":no-port/x{query}"):
            command("inject", address + path, "--workspace", space, PREFECT_API_URL=api)
        for path in (f"{address}/episode_1.npz", f"{address.replace(f'anna:{PASSWORD}@', '')}/x{query}"):
            assert form(api, string, path) == "refused", "Prefect keeps what a form is filled in with"
        assert form(api, string, str(folder / "npz" / "episode_1.npz")) == "COMPLETED"
        command("improve", "--workspace", space, PREFECT_API_URL=api)
        command("status", "--workspace", space, "--json")
        command("report", "--workspace", space)
    added = [line for line in "".join(printed).splitlines() if "1 added" in line or "accepted" in line]
    assert added, f"nothing was injected, so nothing was tried: {printed}"
    return "".join(printed), string


@contextmanager
def recording(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """The address of a web server that has recordings for who knows the password."""
    from pacloop.datasets import EpisodeStore  # pyright: ignore[reportMissingImports]

    words = ["demonstrate", "--out", str(folder / "theirs"), "--episodes", "2", "--seed", "9"]
    subprocess.run([PACLOOP, *words], env=environment, check=True, capture_output=True)
    store = EpisodeStore.open(folder / "theirs")
    episodes = [episode for batch in store.batches() for episode in store.episodes(batch)]
    write_npz(folder / "npz", episodes, store.schema)
    shown = "Basic " + base64.b64encode(f"anna:{PASSWORD}".encode()).decode()

    class Recordings(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = folder / "npz" / self.path.partition("?")[0].lstrip("/")
            known = self.headers["authorization"] == shown and SIGNATURE in self.path
            self.send_response((200 if path.exists() else 404) if known else 403)
            self.end_headers()
            if known and path.exists():
                self.wfile.write(path.read_bytes())

        def log_message(self, format: str, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Recordings) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://anna:{PASSWORD}@127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def serving(space: Path, environment: dict[str, str], printed: list[str]) -> Iterator[tuple[str, str]]:
    """The API of a `pacloop serve`, and the string it asks for; what it printed is added at its end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = space.with_name("serve.log")
    words = [PACLOOP, "serve", "--workspace", str(space), "--port", str(port)]
    with log.open("w") as out:
        process = subprocess.Popen(words, env=environment, stdout=out, stderr=out)
    try:
        while not (found := re.search(r"string in (\S+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/api", Path(found[1]).read_text()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        printed.append(log.read_text())


def form(api: str, string: str, path: str) -> str:
    """Fill in the form of `inject-demonstrations`; how its run ended, or `refused` where there is none."""
    name, _, password = string.partition(":")
    with httpx.Client(auth=(name, password), timeout=30) as client:
        deployments = client.post(f"{api}/deployments/filter", json={}).json()
        inject = next(d["id"] for d in deployments if d["name"].startswith("inject"))
        body = {"parameters": {"path": path}, "state": {"type": "SCHEDULED"}}
        answer = client.post(f"{api}/deployments/{inject}/create_flow_run", json=body)
        if answer.status_code == httpx.codes.CONFLICT:
            return "refused"
        run = answer.raise_for_status().json()
        for _ in range(DEADLINE_SEC):
            state = client.get(f"{api}/flow_runs/{run['id']}").json()["state"]
            if state["type"] in ("COMPLETED", "FAILED", "CANCELLED", "CRASHED"):
                return str(state["type"])
            time.sleep(1)
    raise AssertionError("a run does not end")
