"""A wheel of the package, installed into an environment of its own and used from an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ["datasets", "learner", "actors", "loop", "flows"]
IMPORT_ALL = """
import importlib, json, pkgutil, pacloop
names = [module.name for module in pkgutil.walk_packages(pacloop.__path__, "pacloop.")]
failed = {}
for name in names:
    try:
        importlib.import_module(name)
    except Exception as error:
        failed[name] = repr(error)
print(json.dumps({"file": pacloop.__file__, "names": names, "failed": failed}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built of a copy: building leaves folders behind, and an old one of them would be packed."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    for path in filter(Path.is_file, ROOT.glob("[!.]*")):
        shutil.copy(path, source)
    build = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", out, source]
    run(sys.executable, "-m", *build)
    (path,) = out.glob("pacloop-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment that has the wheel, and all else from the running one; the path of its programs."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
    others = (
        Path(paths["purelib"]) / "others.pth"
    )  # read after the wheel's own folder, so the wheel comes first
    others.write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    into = ["--python", folder / "bin" / "python", "install", "--quiet", "--no-deps", "--no-index", wheel]
    run(sys.executable, "-m", "pip", *into)
    return folder / "bin"


def run(*words, cwd=None):
    """Run a program to its end, without this process's import path."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_file_of_the_package_is_in_the_wheel(wheel):
    """Code, and what stands beside it: scenes, templates, style sheets, the mark of typed packages."""
    ours = {path for room in ROOMS for path in (ROOT / room).rglob("*") if path.is_file()}
    ours |= {ROOT / "__init__.py", *ROOT.glob("py.typed")}
    wanted = {f"pacloop/{path.relative_to(ROOT)}" for path in ours if path.suffix != ".pyc"}
    assert {"pacloop/py.typed", "pacloop/actors/tasks/stack/stack.xml"} <= wanted
    assert wanted - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_the_installed_command_answers_from_an_empty_folder(installed, tmp_path):
    from importlib.metadata import version

    assert version("pacloop") in run(installed / "pacloop", "--version", cwd=tmp_path)
    assert "improve" in run(installed / "pacloop", "--help", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_every_module_is_imported_from_an_empty_folder(installed, tmp_path):
    found = json.loads(run(installed / "python", "-c", IMPORT_ALL, cwd=tmp_path).splitlines()[-1])
    assert Path(found["file"]).is_relative_to(installed.parent)
    assert found["failed"] == {}
    assert {"pacloop.loop.workspace.config", "pacloop.flows.cli.main"} <= set(found["names"])
