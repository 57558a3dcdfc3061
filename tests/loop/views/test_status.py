"""How a workspace stands is read in a moment: without torch, Ray or Prefect."""

import subprocess
import sys

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
