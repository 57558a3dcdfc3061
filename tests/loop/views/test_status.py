"""How a workspace stands is read in a moment: without torch, Ray or Prefect."""

import subprocess
import sys

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


def test_the_status_makes_no_dataset_where_there_is_none_any_more(space, put_policy):
    put_policy("r000-pac", 0)
    space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
    assert read_status(space).champion == "r000-pac"
    assert not (space.folder / "dataset").exists()
