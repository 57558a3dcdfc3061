"""Run as a script: improve a workspace without Prefect, and die of SIGKILL in the middle of a stage.

python improve_until_killed.py WORKSPACE STAGE ROUND DONE ROUNDS: the whole process group is killed when
`STAGE` of `ROUND` reports `DONE` or more. With STAGE `never`, it runs to its end.
"""

import os
import signal
import sys
from pathlib import Path

from pacloop.flows.runs.session import session
from pacloop.loop.stages.improve import improve, play_directly
from pacloop.loop.workspace.workspace import Workspace


def main() -> None:
    folder, stage = Path(sys.argv[1]), sys.argv[2]
    number, limit, rounds = map(int, sys.argv[3:6])

    def progress(what: str, done: int, _total: int, _note: str) -> None:
        begun = (folder / "rounds" / f"{number:03d}").exists()
        if what == stage and begun and done >= limit:
            os.killpg(0, signal.SIGKILL)

    with session(Workspace.open(folder), progress) as ours:
        improve(ours.space, play_directly(ours), rounds=rounds)


if __name__ == "__main__":
    main()
