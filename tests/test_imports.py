"""The house: rooms and wings import one way, nothing in circles, and the command line starts light."""

import ast
import json
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ["datasets", "learner", "actors", "loop", "flows"]
HEAVY = ["torch", "ray", "prefect", "tensorflow", "dm_control", "pydantic", "numpy", "jinja2", "httpx"]
"""What `--help` does without."""


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))}


def resolved(path, level, name):
    """What a relative name means in a file, e.g. `datasets.store`; None where it leaves the house."""
    package = path.relative_to(ROOT).parts[:-1]
    if level > len(package) + 1:
        return None
    base = package[: len(package) - level + 1]
    return ".".join([*base, *filter(None, name.split("."))])


def strings(tree):
    """`(level, name)` of modules that are imported by a string: `import_module(".name", __package__)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and "import_module" in ast.dump(node.func) and node.args:
            first = node.args[0]
            text = first.value if isinstance(first, ast.Constant) else ""
            if isinstance(text, str) and text.startswith("."):
                yield len(text) - len(text.lstrip(".")), text.lstrip(".")


def imported(path):
    """`(level, name)` of all that a file imports, wherever in it; level 0 is absolute."""
    tree = ast.parse(path.read_text())
    yield from strings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            inner = [f"{module}.{alias.name}".lstrip(".") for alias in node.names]
            known = [name for name in inner if node.level and resolved(path, node.level, name) in FILES]
            yield from ((node.level, name) for name in known)
            if len(known) < len(inner):
                yield node.level, module


def edges():
    """The modules of the house that each of its modules imports."""
    graph = {}
    for module, path in FILES.items():
        names = (resolved(path, level, name) for level, name in imported(path) if level)
        graph[module] = {name for name in names if name in FILES and name != module}
    return graph


EDGES = edges()


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_downwards(room):
    allowed = ROOMS[: ROOMS.index(room) + 1]
    paths = [path for module, path in FILES.items() if module.split(".")[0] == room]
    assert len(paths) > 5
    for path in paths:
        for level, name in imported(path):
            first = name.split(".")[0]
            if level == 0:
                assert first not in ("pacloop", *ROOMS), (
                    f"{path} imports {name}; within the house: relatively"
                )
            else:
                target = resolved(path, level, name)
                assert target, f"{path} imports {name} from outside the house"
                assert target.split(".")[0] in allowed, f"{path} imports {target}, which is above {room}"


@pytest.mark.parametrize("room", ROOMS)
def test_wings_import_only_those_before_them(room):
    wings = import_module(f"pacloop.{room}").WINGS
    inside = {module.split(".")[1] for module in FILES if module.startswith(f"{room}.")}
    assert set(wings) == inside, f"{room}/__init__.py must list its wings and modules"
    for module, targets in EDGES.items():
        for target in targets:
            if module.startswith(f"{room}.") and target.startswith(f"{room}."):
                own, other = module.split(".")[1], target.split(".")[1]
                assert wings.index(other) <= wings.index(own), f"{module} imports {target}, which comes later"


def test_no_module_imports_itself_in_a_circle():
    """Also none that is hidden in a function, in a string, or behind TYPE_CHECKING."""
    graph = {module: targets - packages(module) for module, targets in EDGES.items() if not is_lazy(module)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import circle: {' -> '.join(error.args[1])}")


def packages(module):
    """A module's own packages: importing it imports them, and they hold no more than their paragraphs."""
    parts = module.split(".")
    return {".".join(parts[:k]) for k in range(1, len(parts))}


def is_lazy(module):
    """A package whose names are imported when they are first asked for."""
    path = FILES[module]
    return path.name == "__init__.py" and "def __getattr__" in path.read_text()


def test_packages_hold_their_paragraph_and_no_imports_of_their_own():
    for module, path in FILES.items():
        if path.name == "__init__.py":
            tree = ast.parse(path.read_text())
            assert ast.get_docstring(tree), f"{path} must say what the wing is for"
            eager = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.level]
            assert not eager, f"{module} imports its own modules: let who needs them import them"


def test_every_package_is_installed():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {f"pacloop.{module}" for module, path in FILES.items() if path.name == "__init__.py"}
    assert set(declared) == found | {"pacloop"}
    folders = {path.parent for path in FILES.values()}
    assert all((folder / "__init__.py").is_file() for folder in folders), "a folder is no package"


def test_every_module_can_be_imported_on_its_own():
    """In one process, each with the house's other modules forgotten."""
    script = """
import importlib, json, sys
wrong = {}
for name in json.loads(sys.argv[1]):
    for loaded in [m for m in sys.modules if m == "pacloop" or m.startswith("pacloop.")]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except Exception as error:
        wrong[name] = repr(error)
print(json.dumps(wrong))
"""
    names = json.dumps([f"pacloop.{module}" for module in FILES])
    done = subprocess.run([sys.executable, "-c", script, names], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == {}


@pytest.mark.parametrize("module", ["pacloop", "pacloop.flows.cli.main"])
def test_nothing_heavy_is_imported_before_it_is_needed(module):
    say = f"import {module}, json, sys; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", say], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
