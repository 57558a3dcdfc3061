"""What harm strangers can do: by a recording, a policy, a web page; and where secrets of a run end up.

    python benchmarks/drills/security.py [--what files policies page secrets]

* files: recordings that were made to harm are injected. Nothing in them may run, be followed out of them, or
  take memory or time; each must end in one sentence, in quarantine, or in the episodes that are really in it.
* policies: nothing is unpickled when a policy is read, and one that is a pickle is refused in a sentence.
* page: what a browser sends for a hostile page, or for a name that was made to mean this machine, to a
  server as `pacloop serve` starts it. Nothing may be let in, with or without the string.
* secrets: a recording is injected from an address with a password and a signature, from a terminal and from
  Prefect's form, and a round is played with a bucket's keys in the environment. Then every file that the
  commands left, and all they printed, are searched for the password, the signature, the key and the string.

Prints a table, and exits 1 where anything is wrong.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from foreign import SCHEMA
from fuzz_inject import ENDS, MEMORY, on_alarm, peak, run
from hostile_files import CASES, SECRET, Exploit, write_outside
from machine import machine

Result = tuple[str, int, list[str]]
"""What was tried, how often, and what went wrong."""


def files(folder: Path) -> Iterator[Result]:
    """Inject each hostile recording into a workspace of its own."""
    outside = folder / "outside"
    write_outside(outside)
    signal.signal(signal.SIGPROF, on_alarm)
    for name in ("npz/episode_0.npz", "robomimic/demo.hdf5", "rlds"):  # imports what any reader needs
        run(outside / name, folder / "warm")
    for name, write in CASES.items():
        case = folder / "case"
        shutil.rmtree(case, ignore_errors=True)
        case.mkdir()
        path = write(case, outside)
        before = listed(folder)
        peak()
        start = peak()
        end, what = run(path, folder / "space")
        taken = peak() - start
        wrong = [f"{end}: {what}"] if end not in ENDS else []
        wrong += [f"it wrote {new}" for new in sorted(listed(folder) - before)]
        wrong += [f"{taken / 2**20:.0f} MiB were taken"] if taken > MEMORY else []
        wrong += ["somebody else's numbers came in"] if holds_secret(folder / "space") else []
        yield name, 1, wrong
        shutil.rmtree(folder / "space")


def listed(folder: Path) -> set[Path]:
    """Every path below a folder, but those of the workspace."""
    return {path for path in folder.rglob("*") if folder / "space" not in (path, *path.parents)}


def holds_secret(workspace: Path) -> bool:
    """Whether an episode of the workspace has numbers of the recordings outside."""
    from pacloop.datasets import EpisodeStore  # pyright: ignore[reportMissingImports]

    store = EpisodeStore.open(workspace / "dataset")
    arrays = [
        array
        for batch in store.batches()
        for episode in store.episodes(batch)
        for array in (*episode.observation.values(), episode.action, episode.reward)
    ]
    return any(bool(np.all(array == SECRET)) for array in arrays if array.dtype.kind == "f")


def policies(folder: Path) -> Iterator[Result]:
    """Read a policy where nothing can be unpickled, and one whose weights are a pickle."""
    import pickle

    import torch

    from pacloop.datasets.errors import PacloopError  # pyright: ignore[reportMissingImports]
    from pacloop.learner.checkpoint import (  # pyright: ignore[reportMissingImports]
        WEIGHTS,
        PolicyRecord,
        read_policy,
        write_policy,
    )
    from pacloop.learner.config import PacConfig  # pyright: ignore[reportMissingImports]
    from pacloop.learner.network.pac import Pac  # pyright: ignore[reportMissingImports]
    from pacloop.learner.policy import Acting  # pyright: ignore[reportMissingImports]

    config, path = PacConfig(), folder / "policy"
    schema = replace(SCHEMA, observation={"hand": SCHEMA.observation["hand"]})
    weights = Pac(schema, config).state_dict()
    write_policy(path, PolicyRecord("policy", schema, config, Acting("sample")), weights)
    refuse = mock.Mock(side_effect=AssertionError)
    with (
        mock.patch.multiple(pickle, load=refuse, loads=refuse, Unpickler=refuse, _Unpickler=refuse),
        mock.patch.object(torch, "load", refuse),
    ):
        read_policy(path)
    yield "a policy, where nothing can be unpickled", 1, ["something was unpickled"] * refuse.call_count
    for name, content in {
        "a pickle for weights": pickle.dumps(Exploit(folder)),
        "torch's file for weights": torch_file(folder),
    }.items():
        (path / WEIGHTS).write_bytes(content)
        try:
            read_policy(path)
            wrong = ["it was read"]
        except PacloopError as error:
            wrong = [] if "\n" not in str(error) else [f"no sentence: {error}"]
        yield name, 1, wrong + (["it ran"] if (folder / "ran").exists() else [])


def torch_file(folder: Path) -> bytes:
    """Weights as `torch.save` keeps them, with something that runs."""
    import torch

    path = folder / "weights.pt"
    torch.save({"weights": Exploit(folder)}, path)
    return path.read_bytes()


def page(folder: Path) -> Iterator[Result]:
    """Send what a browser would send for others to a server that was started here."""
    import httpx

    from pacloop.flows.environment import kept_string, prepare  # pyright: ignore[reportMissingImports]

    prepare()
    from pacloop.flows.server.start import prefect_server  # pyright: ignore[reportMissingImports]

    site = "http://127.0.0.1:{port}".format
    port = free_port()
    others = {
        "another site's page": {"origin": "http://evil.example"},
        "another port's page": {"origin": site(port=port + 1)},
        "a page without an origin": {"origin": "null"},
        "a name made to mean this machine": {"host": f"evil.example:{port}"},
        "the same, as its own origin": {"host": "evil.example", "origin": "http://evil.example"},
    }
    requests = {"/api/variables/": {"name": "here", "value": "1"}, "/api/flow_runs/filter": {}, "/v2/": {}}
    with prefect_server(port) as (url, _):
        name, _, password = (kept_string(url) or "").partition(":")
        string = httpx.BasicAuth(name, password)
        for who, headers in {"a program without the string": {}, **others}.items():
            wrong = []
            for path, body in requests.items():
                for auth in (None, httpx.BasicAuth(name, "guessed"), *([string] if headers else [])):
                    if path == "/v2/" and not headers:
                        continue  # the pages hold no data
                    answer = httpx.post(site(port=port) + path, json=body, headers=headers, auth=auth)
                    if answer.status_code not in (401, 403):
                        wrong.append(f"{path}: {answer.status_code}")
                    if "access-control-allow-origin" in answer.headers:
                        wrong.append(f"{path}: its page may read the answer")
            yield who, len(requests) * 3, wrong
        kept = httpx.post(site(port=port) + "/api/variables/filter", json={}, auth=string).json()
        yield "what was written", len(kept), [f"the variable {row['name']}" for row in kept]


def free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def secrets(folder: Path) -> Iterator[Result]:
    """Search what a run left for what it must not keep."""
    from secret_run import searched

    yield from searched(folder)


WHAT: dict[str, Callable[[Path], Iterator[Result]]] = {
    "files": files,
    "policies": policies,
    "page": page,
    "secrets": secrets,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--what", nargs="+", choices=WHAT, default=list(WHAT))
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    faults: list[str] = []
    print(f"{machine()}\n\n| what | case | tries | wrong |\n|---|---|---|---|", flush=True)
    for what in options.what:
        with tempfile.TemporaryDirectory(prefix="pacloop-security-") as folder:
            for case, tries, wrong in WHAT[what](Path(folder)):
                print(f"| {what} | {case} | {tries} | {len(wrong)} |", flush=True)
                faults += [f"{what}, {case}: {fault}" for fault in wrong]
    print("", *faults, sep="\n", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
