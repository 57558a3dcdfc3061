"""A part of the drill of two hosts that runs on one of them: make a workspace, improve it, say how it stands.

python on_host.py make PLACE DATASET_URL SEED | run PLACE | state PLACE FILE
"""

import json
import secrets
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import fast
from every_write import CLOCKS, state
from faults import IN_USE, SENTENCE

from pacloop.datasets.errors import PacloopError  # pyright: ignore[reportMissingImports]
from pacloop.loop.episodes.sample import own_batches  # pyright: ignore[reportMissingImports]
from pacloop.loop.errors import InUse  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace import bucket_lease  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.records import Collected, Identity  # pyright: ignore[reportMissingImports]
from pacloop.loop.workspace.workspace import IDENTITY, Workspace  # pyright: ignore[reportMissingImports]

HOLDS = "it holds the workspace"
EXPIRY_SEC, BEAT_SEC = 8.0, 1.0


def run(place: str) -> None:
    """Improve, and print when the workspace is held; a refusal is printed, and ends with its status."""
    heard: list[str] = []

    def hear(what: str, *_: Any) -> None:
        if what != "lease" and not heard:
            heard.append(what)
            print(HOLDS, flush=True)

    try:
        fast.run(place, 1, hear)
    except PacloopError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        raise SystemExit(IN_USE if isinstance(error, InUse) else SENTENCE) from None


def do(what: str, place: str, *words: str) -> None:
    """A part that runs on a host or in the hub."""
    bucket_lease.EXPIRY_SEC, bucket_lease.BEAT_SEC = EXPIRY_SEC, BEAT_SEC
    CLOCKS.update(("host", "code"))  # a policy says where it was learned, and by what
    if what == "make":
        url, seed = words
        fast.SETTINGS["seed"] = int(seed)
        space = fast.make(place, **({"dataset": {"url": url}} if url else {}))
        if not space.copy:  # runs that are compared share one id
            space.write_json(IDENTITY, Identity(id=secrets.token_hex(8), address=space.address).model_dump())
    elif what == "run":
        run(place)
    else:
        space = Workspace.open(place)
        counted = sum(batch.episodes for batch in own_batches(space) if batch.source == "collection")
        collected = [space.record(Collected, number) for number in space.rounds()]
        told = sum(record.episodes for record in collected if record)
        mixed = [] if counted == told else [f"{counted} for {told}"]
        Path(words[0]).write_text(json.dumps(state(place) | {"mixed": mixed}, sort_keys=True))


if __name__ == "__main__":
    do(*sys.argv[1:])
