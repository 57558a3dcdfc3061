"""What `improve` refuses is refused before Ray and Prefect start."""

import subprocess
import sys

import pytest

from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace

OFFERED = "tests/actors/offered"
IMPROVE = """
import sys
sys.modules.update(ray=None, prefect=None)  # to import them fails
sys.path.append(sys.argv[2])
from pacloop.flows.runs.improve import improve_with_prefect
from pacloop.loop.progress import silent
from pacloop.loop.workspace.workspace import Workspace
improve_with_prefect(Workspace.open(sys.argv[1]), silent)
"""


@pytest.mark.parametrize(
    ("task", "advice"),
    [
        ("pacloop/stack", "pacloop demonstrate -w {0}, or pacloop inject PATH -w {0}"),
        ("test/reach", "pacloop inject PATH -w {0}"),
    ],
)
def test_without_demonstrations_it_says_so_at_once(tmp_path, pytestconfig, monkeypatch, task, advice):
    offered = str(pytestconfig.rootpath / OFFERED)
    monkeypatch.syspath_prepend(offered)
    space = Workspace.create(tmp_path / "space", parse_config({"task": task}, "test"))
    done = subprocess.run(
        [sys.executable, "-c", IMPROVE, str(space.folder), offered],
        capture_output=True,
        text=True,
        timeout=200,
    )
    last = done.stderr.strip().splitlines()[-1]
    says = f"{space.place} has no demonstrations to learn from; add some: {advice.format(space.place)}"
    assert last.endswith(says)
    assert not (space.folder / "dataset").exists()
