"""The house's rules: rooms import only downwards, by relative imports; the command line starts light."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ["datasets", "learner", "actors", "loop", "flows"]
HEAVY = ["torch", "ray", "prefect", "tensorflow", "dm_control"]


def imports(path):
    """`(level, name)` of all that a file imports, wherever in it; level 0 is absolute."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.level, node.module
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.level, alias.name) for alias in node.names)


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_downwards(room):
    allowed = ROOMS[: ROOMS.index(room) + 1]
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        depth = len(path.relative_to(ROOT).parts) - 1  # 1 in the room's own folder
        for level, name in imports(path):
            first = name.split(".")[0]
            if level == 0:
                assert first not in ("pacloop", *ROOMS), (
                    f"{path} imports {name}; within the house: relatively"
                )
            elif level == depth + 1:
                assert first in allowed, f"{path} imports {name}, which is no room below {room}"
            assert level <= depth + 1, f"{path} imports from outside the house"


@pytest.mark.parametrize("module", ["pacloop", "pacloop.flows.cli.main"])
def test_nothing_heavy_is_imported_before_it_is_needed(module):
    say = f"import {module}, json, sys; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", say], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
