"""How a workspace stands is read in a moment: without torch, Ray or Prefect."""

import subprocess
import sys

from recorded import play_collection, put

from pacloop.datasets.store.backend import BATCHES
from pacloop.datasets.store.folder import Folder
from pacloop.loop.views.status import read_status

HEAVY = ("torch", "ray", "prefect", "tensorflow", "dm_control", "matplotlib")


def test_the_status_imports_nothing_heavy(space):
    script = (
        "import sys; from pacloop.loop.views.status import read_status; "
        "from pacloop.loop.workspace.workspace import Workspace; "
        "read_status(Workspace.open(sys.argv[1])); "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(space.folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_look_lists_the_batches_once(space, put_policy, monkeypatch):
    put(space, 1, "begin")
    play_collection(space, 1, "r000-pac", 15, 30)
    put_policy("r000-pac", 0)
    space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
    names, rooms = Folder.names, []
    monkeypatch.setattr(Folder, "names", lambda self, room: rooms.append(room) or names(self, room))
    status = read_status(space)
    assert status.record and status.record.episodes == 30
    assert rooms.count(BATCHES) == 1


def test_the_status_makes_no_dataset_where_there_is_none_any_more(space, put_policy):
    put_policy("r000-pac", 0)
    space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
    assert read_status(space).champion == "r000-pac"
    assert not (space.folder / "dataset").exists()
