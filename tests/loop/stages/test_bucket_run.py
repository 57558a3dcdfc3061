"""`pacloop improve` with its dataset, or all of it, in a bucket: interrupted, killed, and gone on with."""

import os
import signal
import subprocess
import time

import pytest
from typed import PACLOOP, small

from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.records import Appended, Collected, Learned, Raced
from pacloop.loop.workspace.verdict import Verdict
from pacloop.loop.workspace.workspace import Workspace

LEARN = {"minimum_steps": 400, "maximum_steps": 400, "batch_size": 32}


def make(place, **dataset):
    settings = small(collect={"actors": 2}, learn=LEARN, dataset=dataset)
    space = Workspace.create(place, parse_config(settings, "test"))
    add_demonstrations(
        place, task="pacloop/stack", episodes=6, seed=0, clean=False, bare=False, progress=silent
    )
    return space


def improve(space, when="", how=signal.SIGKILL):
    """The command, told `how` to stop once the workspace has the file `when`; its exit code, what it said."""
    environment = os.environ | {"PREFECT_HOME": str(space.folder.parent / "prefect")}
    with subprocess.Popen(
        [PACLOOP, "improve", "-w", space.place],
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


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The same run in a folder."""
    space = make(tmp_path_factory.mktemp("whole") / "folder")
    assert improve(space)[0] == 1
    return space


def batches(space):
    found = sorted(space.open_store().batches(), key=lambda b: b.id)
    return [(b.id.replace(space.id[:8], ""), b.digest) for b in found]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_run_in_a_bucket_ends_like_one_in_a_folder(s3, tmp_path, whole):
    space = make(tmp_path / "bucket", url=f"s3://robots/{tmp_path.name}")
    code, said = improve(space, "rounds/001/begin.json", signal.SIGINT)
    assert code == 130, said
    assert "stopped; what was finished is kept" in said
    assert space.record(Collected, 1) is None
    code, said = improve(space, "rounds/001/append.json", signal.SIGKILL)
    assert code == -signal.SIGKILL, said
    assert space.record(Learned, 1) is None
    code, said = improve(space)
    assert code == 1, said  # so few steps cannot stack cubes
    assert "NOT reached" in said

    assert batches(space) == batches(whole)
    mine = space.open_store()
    seeds = [(row.seed, row.policy) for row in mine.iter_rows()]
    assert len(seeds) == len(set(seeds)), "an episode is counted twice"
    assert (mine.verify(), mine.clean()) == ([], [])
    assert not (space.folder / "dataset").exists()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_run_killed_on_one_machine_is_finished_by_another(s3, tmp_path, whole, monkeypatch):
    monkeypatch.setenv("PACLOOP_CACHE", str(tmp_path / "one"))
    one = make(f"s3://robots/{tmp_path.name}/arm")
    code, said = improve(one, "rounds/001/learn-run/state.json", signal.SIGKILL)
    assert code == -signal.SIGKILL, said
    monkeypatch.setenv("PACLOOP_CACHE", str(tmp_path / "two"))
    two = Workspace.open(one.place)
    assert two.record(Appended, 1) and not two.record(Learned, 1)
    code, said = improve(two)
    assert code == 1, said
    assert "is alive" in said and f"workspace {one.place}   dataset {one.place}/dataset" in said
    assert batches(two) == batches(whole)
    weights = [space.policy_folder("r001-pac") / "weights.safetensors" for space in (two, whole)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    one.pull()
    for kind, number in ((Learned, 0), (Learned, 1), (Raced, 1), (Verdict, 1)):
        assert one.record(kind, number) == two.record(kind, number)
    assert one.registry.history() == two.registry.history()
    assert one.registry.champion() == whole.registry.champion()
