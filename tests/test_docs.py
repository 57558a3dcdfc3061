"""What the pages say is there: links, files, commands with their options, settings."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel

from pacloop.flows.cli.main import app
from pacloop.loop.errors import LoopError
from pacloop.loop.workspace.config import Config, parse_config

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
HISTORY = "CHANGELOG.md"
"""Names commands and settings that are gone, too."""
FOLDERS = ("docs", "datasets", "learner", "actors", "loop", "flows", "tests", "benchmarks")

every_page = pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
today = pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name != HISTORY], ids=lambda page: page.name
)


def blocks(text):
    """The code blocks of a page: fenced ones, and paragraphs that are indented by four."""
    found = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.M | re.S)
    plain = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    lines = "".join(f"{line}\n" if re.match(r" {4}|\s*$", line) else "\0" for line in plain.splitlines())
    return found + [re.sub(r"^ {4,6}", "", part, flags=re.M) for part in lines.split("\0") if part.strip()]


def spans(text):
    """What stands in backquotes in running text, each on one line."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", plain)]


def anchors(path):
    """The names by which GitHub lets one link to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


@every_page
def test_every_link_within_the_repository_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), f"{page.name} links to {target}, which is not there"
        assert not anchor or anchor in anchors(path), f"{page.name} links to {target}: no such heading"


@today
def test_every_file_that_is_named_is_there(page):
    text = page.read_text()
    named = re.findall(rf"(?<![\w/.<>-])((?:{'|'.join(FOLDERS)})/[\w/.-]+\.(?:py|md|png|yaml|gif))\b", text)
    missing = {name for name in named if not (ROOT / name).exists()}
    assert not missing, f"{page.name} names files that are not there"


def commands_in(text):
    """Lines that call pacloop: in code blocks whole lines, in running text what stands in backquotes."""
    lines = [re.sub(r"\\\n\s*", "", block) for block in blocks(text)]
    for line in [*(line for block in lines for line in block.splitlines()), *spans(text)]:
        call = re.match(r"(?:\$ )?(?:\.venv/bin/)?pacloop (?!is )(.*)", line.strip())
        if call and not re.match(r"[│┃┏]", call[1]):
            yield re.split(r"\s+#|\s{3,}", call[1])[0]


@today
def test_every_command_that_is_named_exists_with_its_options(page):
    root = typer.main.get_command(app)
    for line in commands_in(page.read_text()):
        for names in alternatives(line):
            check_command(root, names, f"{page.name}: pacloop {line}")


def alternatives(line):
    """The words of a call; of `collect | learn` those of each."""
    return [part.split() for part in line.split(" | ")]


def check_command(root, words, where):
    command = root
    while words and hasattr(command, "commands") and re.fullmatch(r"[a-z][a-z-]*", words[0]):
        name = words.pop(0)
        assert name in command.commands, f"{where}: there is no command {name!r}"
        command = command.commands[name]
    options = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
    for word in words:
        if option := re.match(r"\[?(--[a-z-]+|-w)\b", word):
            assert option[1] in options | {"--help"}, f"{where}: there is no option {option[1]}"


def test_the_index_has_every_page_and_every_command():
    index = (ROOT / "docs" / "index.md").read_text()
    pages = {page.name for page in PAGES if page.name not in ("README.md", "index.md")}
    assert {name for name in pages if f"({name})" not in index and f"(../{name})" not in index} == set()
    assert {name for name in names(typer.main.get_command(app)) if f"`pacloop {name}" not in index} == set()


def test_the_index_has_the_groups_of_the_help():
    index = (ROOT / "docs" / "index.md").read_text()
    panels = re.findall(r"^\*\*(\w+)\*\*\n\n\| command .*\n.*\n((?:\|.*\n)+)", index, re.M)
    listed = {name: re.findall(r"`pacloop ([a-z]+)", rows) for name, rows in panels}
    root = typer.main.get_command(app)
    for name, command in root.commands.items():
        assert name in listed.get(command.rich_help_panel, ()), f"{name} is in {command.rich_help_panel}"


@pytest.mark.parametrize("room", ["datasets", "learner", "actors", "loop", "flows"])
def test_the_picture_of_the_house_has_the_wings_in_their_order(room):
    picture = (ROOT / "CONTRIBUTING.md").read_text()
    part = re.search(rf"^    {room}/ .*\n((?:      .*\n)+)", picture, re.M)
    drawn = re.findall(r"^      (\w+)/ ", part[1], re.M)
    wings = importlib.import_module(f"pacloop.{room}").WINGS
    assert drawn == [wing for wing in wings if (ROOT / room / wing).is_dir()]


def names(command, before=""):
    for name, inner in command.commands.items():
        if inner.hidden:
            continue
        if hasattr(inner, "commands"):
            yield from names(inner, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def section(path):
    """The model of a section, by its name in the file; None where there is no such section."""
    model = Config
    for name in path.split("."):
        field = model.model_fields.get(name)
        if field is None or not (
            isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        ):
            return None
        model = field.annotation
    return model


@today
def test_every_setting_that_is_named_exists(page):
    for span in spans(page.read_text()):
        if not (named := re.match(r"\[([a-z._]+)\](?: ([a-z_]+))?", span)):
            continue
        path, setting = named[1], named[2]
        above, _, last = path.rpartition(".")
        model = section(path)
        known = model or (above and (inner := section(above)) and last in inner.model_fields)
        assert known, f"{page.name}: there is no section [{path}]"
        if model and setting:
            assert setting in model.model_fields, f"{page.name}: there is no setting [{path}] {setting}"


@today
def test_every_example_of_pacloop_toml_is_obeyed(page):
    for block in blocks(page.read_text()):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        if not lines or not re.match(r"\[(\w+)(\.[\w.]+)?\]$|task = ", lines[0].split("  #")[0].strip()):
            continue
        try:
            data = tomllib.loads(block)
        except tomllib.TOMLDecodeError as error:
            pytest.fail(f"{page.name}: {error} in\n{block}")
        try:
            parse_config(data, "example")
        except LoopError as error:
            pytest.fail(f"{page.name}: {error} in\n{block}")


@today
def test_every_example_in_python_can_be_read(page):
    for code in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S):
        compile(code, page.name, "exec")


def test_the_reference_of_the_settings_is_current():
    script = ROOT / "docs" / "make_settings.py"
    specification = importlib.util.spec_from_file_location("make_settings", script)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    assert module.PAGE.read_text() == module.page(), (
        "docs/settings.md is not what the models say; make it again: .venv/bin/python docs/make_settings.py"
    )
