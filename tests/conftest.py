"""What all tests share: no deadline for hypothesis, an interrupt that interrupts, and an S3 server."""

import signal
import urllib.request
from threading import Thread

import pytest
from hypothesis import settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("pacloop", deadline=None)
settings.load_profile("pacloop")

# A shell starts what it runs in the background with SIGINT ignored, and Python then leaves it so.
signal.signal(signal.SIGINT, signal.default_int_handler)

DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>no</Message></Error>"


class S3:
    """moto's S3, one request at a time, so that a conditional write is as atomic as S3's own.

    Its buckets outlive `stop`. Where `deny` is set it refuses everything; `requests` counts by method.
    """

    def __init__(self):
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._moto = DomainDispatcherApplication(create_backend_app)
        self.deny, self.ignore_conditions, self.requests, self.port = False, False, [], 0

    def start(self):
        from moto.moto_server.werkzeug_app import MotoRequestHandler
        from werkzeug.serving import make_server

        class Quiet(MotoRequestHandler):
            def log_request(self, *_):
                pass

        self._server = make_server("127.0.0.1", self.port, self._answer, request_handler=Quiet)
        self.port = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def stop(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def environment(self):
        """What clients need to know."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_REGION": "us-east-1",
        }

    def _answer(self, environ, start):
        self.requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if self.deny:
            start("403 Forbidden", [("Content-Type", "application/xml")])
            return [DENIED]
        if self.ignore_conditions:
            environ.pop("HTTP_IF_NONE_MATCH", None)
            environ.pop("HTTP_IF_MATCH", None)
        return self._moto(environ, start)


@pytest.fixture(scope="module")
def s3():
    """A running server with one bucket, `robots`, and this process's environment set to use it."""
    server = S3().start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        make = urllib.request.Request(f"{server.environment()['AWS_ENDPOINT_URL']}/robots", method="PUT")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(make).close()
        yield server
    server.stop()


LONGEST = ["test_kill.py", "test_rounds.py", "test_interrupt.py", "test_main.py", "test_collector.py"]
"""They come first, so that no worker is left alone with one at the end."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))
