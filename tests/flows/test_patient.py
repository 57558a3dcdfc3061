"""The server asks a busy database again, as Prefect's client does and its UI does not."""

import asyncio

import pytest

from pacloop.flows import patient


def application(busy):
    """Answers 503 so many times, then 201 with the body it was sent; keeps what it was asked."""
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

    asyncio.run(app({"type": "http", "path": path}, receive, send))
    return [message.get("status", message.get("body")) for message in heard]


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(patient, "FIRST_WAIT_SEC", 0.0)


@pytest.mark.parametrize("busy", [0, 1, patient.TRIES - 1])
def test_a_busy_database_is_asked_again_with_the_whole_body(busy):
    app, asked = application(busy)
    assert answers(patient.patient(app)) == [201, b'{"path": "x"}']
    assert asked == [b'{"path": "x"}'] * (busy + 1)


def test_one_that_stays_busy_is_told_in_the_end():
    app, asked = application(1000)
    assert answers(patient.patient(app)) == [503, b'{"path": "x"}']
    assert len(asked) == patient.TRIES


def test_pages_are_passed_through():
    app, asked = application(1)
    assert answers(patient.patient(app), "/v2/runs")[0] == 503
    assert len(asked) == 1
