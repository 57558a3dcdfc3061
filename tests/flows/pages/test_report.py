"""`pacloop report`: one page that needs nothing else, of any workspace, whoever is at work in it."""

import re
from html.parser import HTMLParser

import pytest

from pacloop.flows.cli.report import report
from pacloop.flows.pages.report import report_page
from pacloop.loop.errors import LoopError
from pacloop.loop.views.film import Film, Films
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.lease import lease
from pacloop.loop.workspace.workspace import Workspace

VOID = ("meta", "img", "link", "br")


class Page(HTMLParser):
    """What a page asks for and says; raises where elements do not nest."""

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.text = [], [], ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def files(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != "lease.json"}


def test_the_page_tells_everything_and_needs_nothing(two_rounds):
    films = Films([Film("clumsy/0", 1.0, 60, 3.0, "", b"strip", b"video")], "one is missing")
    before = files(two_rounds.folder)
    with lease(two_rounds.folder):
        text = report_page(two_rounds, {"Demonstrations": ["clumsy/0"]}, films)
    assert files(two_rounds.folder) == before
    page = Page(text)
    assert all(address.startswith(("#", "data:")) for address in page.addresses), page.addresses
    assert not re.search(r"<script|@import|url\((?!#)", text)
    for part in (
        "success per round",
        "at work (round 2, collect: 0 of 1000 episodes)",
        "r001-pac <b>did</b> | so",  # as text, not as markup
        "loss",
        "demonstration",
        "clumsy/0: success, 60 steps (3.0 s)",
        "one is missing",
        "samples_per_row",
        "mujoco",
    ):
        assert part in page.text, part
    assert "<b>did</b>" not in text
    assert text.count("<svg") == 3


def test_text_is_escaped_also_in_attributes(tmp_path):
    space = Workspace.create(tmp_path / "space", parse_config({}, "test"))
    film = Film("<i>/0", 0.0, 60, 3.0, 'not "as" <recorded>', b"strip")
    text = report_page(space, {"<b>Ours</b>": ["<i>/0"], "Nobody's": []}, Films([film]))
    assert 'alt="failure, 60 steps (3.0 s); not &#34;as&#34; &lt;recorded&gt;"' in text
    page = Page(text)
    assert "<b>Ours</b>" in page.text and "<i>/0: failure" in page.text
    assert "Nobody's" not in page.text, "a heading without films says nothing"
    assert "<video" not in text


def test_an_empty_workspace_has_a_page_too(tmp_path):
    space = Workspace.create(tmp_path / "space", parse_config({}, "test"))
    page = Page(report_page(space, {}, Films([])))
    assert "nothing is measured yet" in page.text
    assert [p.name for p in space.folder.iterdir()] == ["pacloop.toml"]


def test_the_command_writes_the_page_with_films_or_says_what_is_missing(
    two_rounds, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("MUJOCO_GL", "no-such-backend")
    report(out=tmp_path / "a.html", show=False, workspace=two_rounds.folder)
    assert "no-such-backend" in Page((tmp_path / "a.html").read_text()).text
    assert "one file that needs nothing else" in capsys.readouterr().out
    with pytest.raises(LoopError, match="is no workspace"):
        report(out=None, show=False, workspace=tmp_path)
