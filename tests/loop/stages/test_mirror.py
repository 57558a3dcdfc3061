"""The mirror: current after every append of the loop, and never in the way of a round."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.stages import stages
from pacloop.loop.stages.mirror import mirror
from pacloop.loop.workspace.config import parse_config


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
    stages.append(space, 0, no_pool, silent)
    assert mirrored(space) == [3]
    demonstrate(space, 2)
    stages.append(space, 1, no_pool, silent)
    assert mirrored(space) == [3, 2]


def test_what_is_played_to_evaluate_is_mirrored_too(space, tally, monkeypatch):
    def play(space, *_):
        demonstrate(space, 4)
        return tally(1, 4)

    monkeypatch.setattr(stages, "tally", play)
    stages.evaluate(space, 1, no_pool, silent, stage="final", policy="p", episodes=4)
    assert mirrored(space) == [3, 4]


def test_a_gate_that_has_ended_catches_up(space, verdict):
    space.write_outcome(1, "gate", verdict("rejected", "r001-pac", 1, 10))
    stages.gate(space, 1, no_pool, silent)
    assert mirrored(space) == [3]


def test_what_goes_wrong_is_told_and_made_good_the_next_time(space):
    told = []
    (space.folder / "rlds").write_text("in the way")
    stages.append(space, 0, no_pool, lambda *what: told.append(what))
    assert space.outcome(0, "append")["episodes"] == 3
    ((done, total, note),) = [words[1:] for words in told if words[0] == "mirror"]
    assert done >= total, "a log would not show it"
    assert note.startswith("behind, the next append tries again: ") and "not a directory" in note
    (space.folder / "rlds").unlink()
    mirror(space, lambda *what: told.append(what))
    assert told[-1][:3] == ("mirror", 3, 3)
    assert mirrored(space) == [3]


def test_it_can_be_switched_off(space):
    off = replace(space, config=parse_config({"dataset": {"rlds": "off"}}, "test"))
    stages.append(off, 0, no_pool, silent)
    assert not (space.folder / "rlds").exists()


def test_it_needs_no_tensorflow(space):
    say = (
        "import sys; from pathlib import Path; from pacloop.loop import progress\n"
        "from pacloop.loop.stages import stages; from pacloop.loop.workspace import workspace\n"
        f"space = workspace.Workspace.open(Path({str(space.folder)!r}))\n"
        "stages.append(space, 0, None, progress.silent)\n"
        "print((space.folder / 'rlds').exists(), 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", say], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
