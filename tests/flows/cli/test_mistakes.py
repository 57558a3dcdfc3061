"""A mistake ends in one sentence on the screen, at once where it can be; a file has the rest."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from typed import pacloop, refused, small

from pacloop.datasets import Episode
from pacloop.loop.errors import LoopError
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace

OFFERED = Path(__file__).parents[2] / "actors" / "offered"
TASK = """
from dataclasses import replace
import reach

class Lacks(reach.Reach):
    def _observe(self):
        return {"clock": super()._observe()["clock"]}

def task():
    whole = reach.task()
    return replace(whole, schema=replace(whole.schema, task="test/lacks"), make=Lacks)
"""


@pytest.fixture
def lacking(tmp_path, monkeypatch):
    """A workspace of a task whose environment does not give what its schema says."""
    folder = tmp_path / "package"
    facts = folder / "lacks-1.0.dist-info"
    facts.mkdir(parents=True)
    (folder / "lacks.py").write_text(TASK)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: lacks\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[pacloop.tasks]\ntest/lacks = lacks:task\n")
    for path in (OFFERED, folder):
        monkeypatch.syspath_prepend(path)
        monkeypatch.setenv("PYTHONPATH", str(path), prepend=os.pathsep)
    space = Workspace.create(tmp_path / "arm", parse_config(small() | {"task": "test/lacks"}, "test"))
    flow = np.ones(6, np.float32)
    seen = {"arm": np.zeros((7, 4), np.float32), "clock": np.arange(7, dtype=np.float32)}
    shown = [
        Episode(seen, np.full((6, 2), k / 9, np.float32), 0 * flow, flow, score=1.0, seed=k) for k in range(8)
    ]
    space.make_store(space.task.schema).append(shown, batch_id="shown", source="demonstration", round=0)
    return space


def test_what_an_environment_lacks_is_a_sentence_and_a_file_has_the_traceback(lacking, tmp_path):
    done = pacloop("improve", "-w", lacking.folder, cwd=tmp_path, PREFECT_HOME=str(tmp_path / "prefect"))
    assert done.returncode in (1, 2)
    line = done.stderr.strip()
    assert len(line.splitlines()) == 1, line
    assert line.startswith("pacloop: ") and "arm" in line
    (log,) = (lacking.folder / "logs").iterdir()
    assert line.endswith(f"; all of it is in {log}")
    assert "Traceback" in log.read_text()
    assert "Traceback" not in done.stdout


def test_a_workspace_without_demonstrations_is_refused_before_a_server_starts(tmp_path):
    space = Workspace.create(tmp_path / "arm", parse_config({}, "test"))
    line = refused("improve", "-w", space.folder, cwd=tmp_path, PREFECT_HOME=str(tmp_path / "prefect"))
    advice = f"pacloop demonstrate -w {space.folder}, or pacloop inject PATH -w {space.folder}"
    assert line == f"pacloop: {space.folder} has no demonstrations to learn from; add some: {advice}"
    assert not list((tmp_path / "prefect").glob("*.db"))
    assert not (space.folder / "logs").exists()


def test_a_task_that_nobody_offers_is_named_by_whoever_looks(tmp_path):
    (tmp_path / "pacloop.toml").write_text('task = "nope/x"')
    says = "there is no task 'nope/x'; known tasks: pacloop/stack"
    for command in ("status", "improve", "serve"):
        assert says in refused(command, "-w", tmp_path, cwd=tmp_path)
    (tmp_path / "pacloop.toml").write_text('[gate.others]\n"nope/x" = 0.05')
    for command in ("status", "improve", "serve"):
        assert f"[gate] others in pacloop.toml: {says}" in refused(command, "-w", tmp_path, cwd=tmp_path)


def test_an_episode_to_show_must_be_named(tmp_path):
    says = "pacloop: name an episode or a batch, or give --quarantine"
    assert refused("dataset", "show", "-w", tmp_path, cwd=tmp_path) == says


@pytest.fixture
def logged():
    return pytest.importorskip("pacloop.flows.runs.log").logged


def test_a_file_is_left_only_where_something_went_wrong(tmp_path, logged):
    space = Workspace.create(tmp_path / "arm", parse_config({}, "test"))
    with logged(space):
        logging.getLogger("prefect.flow_runs").warning("slow")
    with pytest.raises(LoopError) as caught, logged(space):
        raise LoopError("in use")
    assert not hasattr(caught.value, "__notes__")
    assert not (space.folder / "logs").exists()


def test_what_nobody_foresaw_is_one_line_and_its_file(tmp_path, logged, capfd):
    from pacloop.flows.terminal import sentence

    space = Workspace.create(tmp_path / "arm", parse_config({}, "test"))
    with pytest.raises(KeyError) as caught, logged(space):
        logging.getLogger("prefect.task_runs").error("Task run failed")
        raise KeyError("goal")
    (log,) = (space.folder / "logs").iterdir()
    assert sentence(caught.value) == f"KeyError: 'goal'; all of it is in {log}"
    text = log.read_text()
    assert "prefect.task_runs: Task run failed" in text and "Traceback" in text
    assert capfd.readouterr().err == ""


def test_a_disk_that_takes_nothing_hides_no_error(tmp_path, logged, capfd):
    space = Workspace.create(tmp_path / "arm", parse_config({}, "test"))
    (space.folder / "logs").write_text("no folder")
    with pytest.raises(KeyError) as caught, logged(space):
        raise KeyError("goal")
    assert not hasattr(caught.value, "__notes__")
    assert capfd.readouterr().err == ""
