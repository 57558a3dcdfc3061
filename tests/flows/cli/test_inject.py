"""`pacloop inject` as a user types it."""

import json

import numpy as np
import pytest
from typed import pacloop

from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace


@pytest.fixture
def space(tmp_path):
    return Workspace.create(tmp_path / "space", parse_config({}, "test")).folder


@pytest.fixture
def recording(tmp_path):
    """A folder with a good and a bad episode for the stacking task."""
    from pacloop.actors.tasks.stack.stack import STATE

    folder = tmp_path / "recording"
    folder.mkdir()
    for name, grip in (("good", 1.0), ("bad", 90.0)):
        rng = np.random.default_rng(int(grip))
        observation = {f"observation/{k}": rng.normal(size=(6, n)).astype("f4") for k, n in STATE.items()}
        np.savez(folder / f"{name}.npz", action=np.full((5, 5), grip), score=1.0, **observation)
    return folder


def test_a_table_a_batch_and_the_quarantine(space, recording, tmp_path):
    done = pacloop("inject", recording, "-w", space, "--note", "first try", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for words in (
        "accepted",
        "quarantined",
        "action 0 lies in",
        "added 1 episodes as batch inject-",
    ):
        assert words in done.stdout
    shown = pacloop("dataset", "show", "--quarantine", "-w", space, cwd=tmp_path)
    assert "bad.npz: action 0 lies in [90, 90]" in shown.stdout
    assert "1 episodes in quarantine" in shown.stdout
    batches = json.loads(pacloop("dataset", "ls", "-w", space, "--json", cwd=tmp_path).stdout)
    assert [batch["origin"]["note"] for batch in batches] == ["first try"]
    again = pacloop("inject", recording, "-w", space, cwd=tmp_path)
    assert again.returncode == 0
    assert "1" in again.stdout and "present already" in again.stdout


def test_exit_codes_and_json(space, recording, tmp_path):
    dry = pacloop("inject", recording, "-w", space, "--dry-run", "--json", cwd=tmp_path)
    assert dry.returncode == 0, dry.stderr
    data = json.loads(dry.stdout)
    assert (data["found"], data["accepted"], data["written"]) == (2, 1, False)
    assert pacloop("inject", recording, "-w", space, "--strict", cwd=tmp_path).returncode == 1
    assert pacloop("inject", recording / "bad.npz", "-w", space, "--dry-run", cwd=tmp_path).returncode == 1
    assert not (space / "dataset").exists()


def test_bad_use_is_one_sentence(space, recording, tmp_path):
    (recording / "good.npz").write_bytes((recording / "good.npz").read_bytes()[:100])
    for words, says in [
        (["nowhere", "-w", space], "nowhere does not exist"),
        ([recording, "-w", tmp_path / "no"], "is no workspace"),
        ([recording / "good.npz", "-w", space], "cannot be read as .npz"),
        ([recording, "-w", space, "--format", "csv"], "format is 'csv'"),
        ([tmp_path / "space", "-w", space], "holds no dataset of pacloop"),
    ]:
        done = pacloop("inject", *words, cwd=tmp_path)
        assert done.returncode == 2, (done.stdout, done.stderr)
        (line,) = done.stderr.strip().splitlines()
        assert says in line
    assert not (space / "dataset").exists()
