"""The report of licences refuses what it must, and finds nothing to refuse in what a user installs."""

import importlib.util
from email.message import Message
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "licences.py"
spec = importlib.util.spec_from_file_location("licences", SCRIPT)
licences = importlib.util.module_from_spec(spec)
spec.loader.exec_module(licences)


class Package:
    """A distribution with so much metadata."""

    files = ()

    def __init__(self, **fields):
        self.metadata = Message()
        for name, value in fields.items():
            self.metadata[name.replace("_", "-")] = value


def refused(**fields):
    return licences.objection(licences.licence("name", Package(**fields)))


@pytest.mark.parametrize(
    "fields",
    [
        {"License_Expression": "GPL-3.0-only"},
        {"License_Expression": "MIT AND AGPL-3.0-or-later"},
        {"License": "GNU General Public License v2"},
        {"License": "CC-BY-NC-4.0"},
        {"License": "free for non-commercial use"},
        {"Classifier": "License :: Other/Proprietary License"},
        {"Classifier": "Topic :: Scientific/Engineering"},
        {},
    ],
)
def test_what_is_refused(fields):
    assert refused(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"License_Expression": "GPL-2.0-only OR MIT"},
        {"License": "MIT License\n\nnot the GPL"},
        {"Classifier": "License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)"},
        {"License_Expression": "LGPL-2.1-or-later"},
    ],
)
def test_what_is_fine(fields):
    assert refused(**fields) is None


def test_what_a_user_installs_is_all_there_and_fine(capsys):
    assert licences.main() == 0, capsys.readouterr().err
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert {"pacloop", "torch", "prefect", "sqlalchemy", "av"} <= listed
    assert "pytest" not in listed, "what only tests need"
