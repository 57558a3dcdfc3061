"""Names are printed as they are, whatever markup they look like."""

import pytest

from pacloop.datasets.errors import PacloopError
from pacloop.flows import terminal
from pacloop.loop.views.curve import curve, png
from pacloop.loop.views.rounds import Row
from pacloop.loop.workspace.config import Config, parse_config
from pacloop.loop.workspace.workspace import Workspace

NAMES = [
    "a[x]b",
    "a[/]b",
    "a[/red]b",
    "a[red]b",
    ":smile:",
    "$a_$",
    "$\\frac{$",
    "${name}",
    "%s {0} {name}",
    "a\\[b",
]


def rows(name):
    return [
        Row(name, 0, "p", 0.5, (0.2, 0.8), 10, "promoted", f"{name} was better"),
        Row("round 1", 1, "p", 0.6, (0.3, 0.9), 10, "injected"),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_table_shows_names_as_they_are(name, capsys):
    terminal.print_rows(rows(name), f"{name}: success per round")
    printed = capsys.readouterr().out
    assert printed.count(name) == 4, printed
    terminal.console().print(terminal.table([{"batch": name, "episodes": 3}], name))
    assert name in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_progress_shows_notes_as_they_are(name, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    with terminal.progress_bars() as progress:
        progress("collect", 1, 2, name)
    assert name in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_made_of_any_name(name, tmp_path):
    space = Workspace(tmp_path, parse_config({"task": name}, "test"))
    assert png(curve(space, rows(name))).startswith(b"\x89PNG")
    assert isinstance(space.config, Config)


def test_a_sentence_that_quotes_several_lines_is_one():
    assert terminal.sentence(PacloopError("the task fails: first\nsecond")) == "the task fails: first second"
