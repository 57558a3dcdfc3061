"""Run as a script: improve a workspace without Prefect, and die of SIGKILL in the middle of a stage.

python improve_until_killed.py WORKSPACE STAGE ROUND DONE: the whole process group is killed when
`STAGE` of `ROUND` reports `DONE` or more. With STAGE `never`, it runs to its end.
"""

import os
import signal
import sys
from pathlib import Path

from pacloop.flows.runs.rounds import session
from pacloop.loop.stages.round import improve


def main() -> None:
    folder, stage, number, limit = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

    def progress(what: str, done: int, _total: int, _note: str) -> None:
        begun = (folder / "rounds" / f"{number:03d}").exists()
        if what == stage and begun and done >= limit:
            os.killpg(0, signal.SIGKILL)

    with session(folder, progress) as ours:
        improve(ours.space, ours.pool, progress, rounds=ours.space.config.improve.rounds)


if __name__ == "__main__":
    main()
