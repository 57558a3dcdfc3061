"""What the doctor says of a Prefect API, and of a workspace that is a copy."""

import http.server
from functools import partial
from threading import Thread

from typed import free_port

from pacloop.flows.cli.doctor import _settings


def prefect_check(url, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", url)
    return next(check for check in _settings("arm") if check.name == "prefect api")


def test_an_api_at_which_nobody_answers_is_bad(monkeypatch):
    url = f"http://127.0.0.1:{free_port()}/api"
    check = prefect_check(url, monkeypatch)
    assert not check.good
    assert check.found.startswith(f"PREFECT_API_URL is {url}, but no Prefect server answers there: start it")


def test_one_that_answers_is_good(tmp_path, monkeypatch):
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "health").write_text("true")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        url = f"http://127.0.0.1:{server.server_port}/api"
        check = prefect_check(url, monkeypatch)
        server.shutdown()
    assert check.good and check.found == url
