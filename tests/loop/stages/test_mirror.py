"""The mirror: current after every append of the loop, and never in the way of a round."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from recorded import put, tally, verdict

from pacloop.loop.episodes.play import Session
from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.stages import evaluate as measuring
from pacloop.loop.stages.append import append
from pacloop.loop.stages.evaluate import evaluate
from pacloop.loop.stages.gate import gate
from pacloop.loop.stages.mirror import mirror
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.records import Appended


def no_pool():
    raise AssertionError("no collectors are needed")


@pytest.fixture
def space(space):
    demonstrate(space, 3)
    return space


def demonstrate(space, episodes):
    return add_demonstrations(
        space.folder,
        task="pacloop/stack",
        episodes=episodes,
        seed=0,
        clean=False,
        bare=False,
        progress=silent,
    )


def mirrored(space):
    """Episodes that readers of the mirror find, by file."""
    path = space.folder / "rlds" / "pacloop_stack" / "1.0.0" / "dataset_info.json"
    return [int(n) for n in json.loads(path.read_text())["splits"][0]["shardLengths"]]


def test_the_append_stage_keeps_it_current(space):
    append(space, 0, silent)
    assert mirrored(space) == [3]
    demonstrate(space, 2)
    append(space, 1, silent)
    assert mirrored(space) == [3, 2]


def test_what_is_played_to_evaluate_is_mirrored_too(space, monkeypatch):
    def play(_session, _order):
        demonstrate(space, 4)
        return tally(1, 4)

    monkeypatch.setattr(measuring, "tally", play)
    evaluate(Session(space, no_pool, silent), 1, "final", "p")
    assert mirrored(space) == [3, 4]


def test_a_gate_that_has_ended_catches_up(space):
    put(space, 1, "gate", **verdict("rejected", "r001-pac", 1, 10))
    gate(Session(space, no_pool, silent), 1)
    assert mirrored(space) == [3]


def test_what_goes_wrong_is_told_and_made_good_the_next_time(space):
    told = []
    (space.folder / "rlds").write_text("in the way")
    append(space, 0, lambda *what: told.append(what))
    assert space.record(Appended, 0).episodes == 3
    ((done, total, note),) = [words[1:] for words in told if words[0] == "mirror"]
    assert done >= total, "a log would not show it"
    assert note.startswith("behind, the next append tries again: ") and "not a directory" in note
    (space.folder / "rlds").unlink()
    mirror(space, lambda *what: told.append(what))
    assert told[-1][:3] == ("mirror", 3, 3)
    assert mirrored(space) == [3]


def test_it_can_be_switched_off(space):
    off = replace(space, config=parse_config({"dataset": {"rlds": "off"}}, "test"))
    append(off, 0, silent)
    assert not (space.folder / "rlds").exists()


def test_it_needs_no_tensorflow(space):
    say = (
        "import sys; from pathlib import Path; from pacloop.loop import progress\n"
        "from pacloop.loop.stages.append import append; from pacloop.loop.workspace import workspace\n"
        f"space = workspace.Workspace.open(Path({str(space.folder)!r}))\n"
        "append(space, 0, progress.silent)\n"
        "print((space.folder / 'rlds').exists(), 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", say], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
