"""The server asks a busy database again, and lets its pages ask nobody else."""

import asyncio
from contextlib import suppress

import pytest

from pacloop.flows.server import middleware


def application(busy):
    """Answers 503 so many times and raises, as Starlette does, then 201 with the body it was sent."""
    asked = []

    async def app(scope, receive, send):
        body = b""
        while (message := await receive()).get("more_body") or message["body"]:
            body += message["body"]
            if not message.get("more_body"):
                break
        asked.append(body)
        status = 503 if len(asked) <= busy else 201
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})
        if status == 503:
            raise OSError("database is locked")

    return app, asked


def answers(app, path="/api/deployments/1/create_flow_run"):
    """What a client hears that sends a body in two pieces."""
    heard = []
    pieces = [(b'{"path":', True), (b' "x"}', False)]

    async def receive():
        body, more = pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": more}

    async def send(message):
        heard.append(message)

    with suppress(OSError):
        asyncio.run(app({"type": "http", "path": path}, receive, send))
    return [message.get("status", message.get("body")) for message in heard]


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(middleware, "FIRST_WAIT_SEC", 0.0)


@pytest.mark.parametrize("busy", [0, 1, middleware.TRIES - 1])
def test_a_busy_database_is_asked_again_with_the_whole_body(busy):
    app, asked = application(busy)
    assert answers(middleware.with_retries(app)) == [201, b'{"path": "x"}']
    assert asked == [b'{"path": "x"}'] * (busy + 1)


def test_one_that_stays_busy_is_told_in_the_end():
    app, asked = application(1000)
    assert answers(middleware.with_retries(app)) == [503, b'{"path": "x"}']
    assert len(asked) == middleware.TRIES


def test_pages_are_passed_through():
    app, asked = application(1)
    assert answers(middleware.with_retries(app), "/v2/runs")[0] == 503
    assert len(asked) == 1


def test_every_page_says_whom_it_may_ask():
    heard = []

    async def receive():
        return {"type": "http.request", "body": b"page", "more_body": False}

    async def send(message):
        heard.append(message)

    app = middleware.with_content_policy(application(0)[0])
    asyncio.run(app({"type": "http", "path": "/v2/runs"}, receive, send))
    ((name, policy),) = heard[0]["headers"]
    assert name == b"content-security-policy"
    assert policy.startswith(b"default-src 'self' ") and b"http" not in policy
    assert b"frame-ancestors 'self'" in policy
