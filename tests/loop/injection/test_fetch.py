"""A recording in a bucket or behind a web address is injected like a file, and recorded without secrets."""

import http.server
from functools import partial
from threading import Thread

import numpy as np
import pytest

from pacloop.datasets import DatasetError
from pacloop.loop.injection.fetch import fetch_recording, without_secrets


@pytest.fixture
def web(tmp_path):
    """A web server on loopback that shows a folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_path_is_itself(tmp_path):
    with fetch_recording(str(tmp_path)) as (path, url):
        assert (path, url) == (tmp_path, "")


def test_a_file_behind_a_web_address(web, tmp_path):
    np.savez(tmp_path / "demo.npz", a=np.arange(3))
    with fetch_recording(f"{web}/demo.npz?signature=secret") as (path, url):
        assert url == f"{web}/demo.npz"
        assert path.name == "demo.npz"
        assert path.read_bytes() == (tmp_path / "demo.npz").read_bytes()
    assert not path.exists()
    with (
        pytest.raises(DatasetError, match=r"nothing\.npz cannot be read: the server says 404"),
        fetch_recording(f"{web}/nothing.npz"),
    ):
        pass


def test_a_host_that_nobody_knows_is_said_without_its_number():
    says = r"^https://x\.invalid/a\.hdf5 cannot be read: [A-Z][^\[\]]+$"
    with pytest.raises(DatasetError, match=says), fetch_recording("https://x.invalid/a.hdf5"):
        pass


def test_a_file_and_a_folder_in_a_bucket(s3):
    from pacloop.datasets.objects import Bucket

    bucket = Bucket("s3://robots")
    for name in ("a.npz", "deep/b.npz"):
        bucket.create(f"recordings/monday/{name}", name.encode())
    with fetch_recording("s3://robots/recordings/monday") as (path, _):
        found = {str(p.relative_to(path)): p.read_text() for p in path.rglob("*.npz")}
    assert found == {"a.npz": "a.npz", "deep/b.npz": "deep/b.npz"}
    with fetch_recording("s3://robots/recordings/monday/a.npz") as (path, _):
        assert (path.name, path.read_text()) == ("a.npz", "a.npz")
    with pytest.raises(DatasetError, match="there is no such object"), fetch_recording("s3://robots/nothing"):
        pass


def test_what_cannot_be_fetched_is_one_sentence():
    for url, says in (
        ("ftp://host/x", "a URL begins with s3, gs, az, http or https"),
        ("http://127.0.0.1:9/x.npz", "cannot be read: .*refused"),
        ("http://[::1/x.npz", "the URL to inject is malformed"),
    ):
        with pytest.raises(DatasetError, match=says), fetch_recording(url):
            pass


@pytest.mark.parametrize("url", ["http://anna:pass@host:port/x.npz", "http://127.0.0.1:9/x.npz?key=pass"])
def test_no_error_tells_a_secret(url):
    with pytest.raises(DatasetError) as refused, fetch_recording(url):
        pass
    assert "pass" not in str(refused.value)


def test_a_redirect_is_followed_and_content_is_not_unpacked(web, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "index.html").write_bytes(b"\x1f\x8b raw")
    with fetch_recording(f"{web}/folder") as (path, _):  # the server sends it to /folder/
        assert path.read_bytes() == b"\x1f\x8b raw"


def test_the_record_keeps_no_secret():
    url = "https://anna:pass@host:8443/a/b.npz?X-Signature=1#x"
    assert without_secrets(url) == "https://host:8443/a/b.npz"
