"""`pacloop improve` with its dataset in a bucket: interrupted, killed, and gone on with by one command."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pacloop.loop.config import parse_config
from pacloop.loop.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.workspace import Workspace

PACLOOP = Path(sys.executable).with_name("pacloop")
SMALL = {
    "collect": {"episodes": 8, "environments": 4},
    "learn": {
        "clone_steps": 20,
        "improve_steps": 20,
        "minimum_steps": 400,
        "maximum_steps": 400,
        "batch_size": 32,
    },
    "act": {"trial_actions": [2], "trial_episodes": 4},
    "gate": {"cap": 8, "block": 4},
    "improve": {"baseline_episodes": 4, "evaluation_episodes": 4, "rounds": 1},
}


def make(folder, **dataset):
    space = Workspace.create(folder, parse_config(SMALL | {"dataset": dataset}, "test"))
    add_demonstrations(
        folder, task="pacloop/stack", episodes=6, seed=0, clean=False, bare=False, progress=silent
    )
    return space


def improve(space, when="", how=signal.SIGKILL):
    """The command, told `how` to stop once the workspace has the file `when`; its exit code, what it said."""
    environment = os.environ | {"PREFECT_HOME": str(space.folder.parent / "prefect")}
    with subprocess.Popen(
        [PACLOOP, "improve", "-w", space.folder],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        while when and process.poll() is None and not (space.folder / when).exists():
            time.sleep(0.05)
        if when:
            os.killpg(process.pid, how)
        said = process.communicate()[0]
    return process.returncode, said


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_run_in_a_bucket_ends_like_one_in_a_folder(s3, tmp_path):
    space = make(tmp_path / "bucket", url=f"s3://robots/{tmp_path.name}")
    code, said = improve(space, "rounds/001/begin.json", signal.SIGINT)
    assert code == 130, said
    assert "stopped; what was finished is kept" in said
    assert space.outcome(1, "collect") is None
    code, said = improve(space, "rounds/001/append.json", signal.SIGKILL)
    assert code == -signal.SIGKILL, said
    assert space.outcome(1, "learn") is None
    code, said = improve(space)
    assert code == 1, said  # so few steps cannot stack cubes
    assert "NOT reached" in said

    whole = make(tmp_path / "folder")
    assert improve(whole)[0] == 1
    mine, local = space.open_store(), whole.open_store()
    assert [(b.id, b.digest) for b in sorted(mine.batches(), key=lambda b: b.id)] == [
        (b.id, b.digest) for b in sorted(local.batches(), key=lambda b: b.id)
    ]
    seeds = [(row.seed, row.policy) for row in mine.iter_rows()]
    assert len(seeds) == len(set(seeds)), "an episode is counted twice"
    assert (mine.verify(), mine.clean()) == ([], [])
    assert not (space.folder / "dataset").exists()
