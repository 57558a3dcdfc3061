"""What may be a password or a signature in a URL is refused before anything keeps it or prints it."""

import re

import pytest
from typed import pacloop

from pacloop.flows.runs.deployed import inject_flow
from pacloop.loop.workspace.config import Config, config_toml
from pacloop.loop.workspace.workspace import Workspace

URLS = [
    "https://user:pa55word@host/arm",
    "s3://user:pa55word@bucket/arm",
    "s3://bucket/arm?X-Amz-Signature=pa55word",
    "ftp://user:pa55word@host/arm",
    "s3:/user:pa55word@bucket/arm",
]
COMMANDS = [
    ["status"],
    ["init", "--task", "pacloop/stack"],
    ["doctor"],
    ["report"],
    ["serve", "--port", "9"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_workspace_with_a_secret_in_its_url_is_refused(tmp_path, words):
    url = URLS[COMMANDS.index(words)]
    done = pacloop(*words, "-w", url, cwd=tmp_path, PACLOOP_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 2
    assert "must hold no name, password or signature" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "pa55word" not in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", URLS)
def test_a_dataset_with_a_secret_in_its_url_is_refused_and_not_quoted(tmp_path, url):
    space = Workspace.create(tmp_path / "arm", Config())
    (space.folder / "pacloop.toml").write_text(config_toml(Config()).replace('url = ""', f'url = "{url}"'))
    done = pacloop("status", "-w", "arm", cwd=tmp_path)
    assert done.returncode == 2 and "pa55word" not in done.stdout + done.stderr
    assert "arm/pacloop.toml: dataset.url: the url of a bucket must hold no name, password" in done.stderr


def test_a_form_takes_no_secret():
    schema = inject_flow.parameters.properties["path"]
    allowed = re.compile(schema["pattern"])
    for path in URLS[:4]:
        assert not allowed.search(path), path
    for path in ("demo.hdf5", "/data/a@b/x?.npz", "https://host/a.npz", "s3://bucket/a", "gs://b/a@b.npz"):
        assert allowed.search(path), path
