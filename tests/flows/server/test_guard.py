"""A request that came by another name, or from another's page, does not reach the application."""

import asyncio

import pytest

from pacloop.flows.server.guard import ENTRANCE, with_entrance, with_guard

OWN = (b"host", b"127.0.0.1:4200")


def answer(app, kind="http", path="/api/flow_runs/", headers=(OWN,)):
    """What is sent to somebody who asks `app` for a path."""
    sent = []

    async def receive():
        return {"type": f"{kind}.connect"}

    async def send(message):
        sent.append(message)

    asyncio.run(app({"type": kind, "path": path, "headers": list(headers)}, receive, send))
    return sent


async def application(scope, receive, send):
    await send({"type": "reached"})


@pytest.mark.parametrize("host", [b"127.0.0.1:4200", b"localhost:5000", b"localhost", b"[::1]:4200"])
def test_this_machines_names_lead_in_also_from_its_own_pages(host):
    for headers in ([(b"host", host)], [(b"host", host), (b"origin", b"http://" + host)]):
        assert answer(with_guard(application), headers=headers) == [{"type": "reached"}]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"evil.example:4200")],
        [(b"host", b"127.0.0.1.evil.example:4200")],
        [(b"host", b"localhost:4200@evil.example")],
        [(b"host", b"evil.example"), (b"origin", b"http://evil.example")],
        [OWN, (b"origin", b"http://evil.example")],
        [OWN, (b"origin", b"http://127.0.0.1:5000")],
        [OWN, (b"origin", b"https://127.0.0.1:4200")],
        [OWN, (b"origin", b"null")],
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_others_are_refused(kind, headers):
    first = answer(with_guard(application), kind, headers=headers)[0]
    assert first["type"] == {"http": "http.response.start", "websocket": "websocket.close"}[kind]
    assert first.get("status", first.get("code")) in (403, 1008)


def test_a_server_starts_and_stops_unasked():
    assert answer(with_guard(application), "lifespan") == [{"type": "reached"}]


def test_the_entrance_is_a_page_that_holds_no_secret():
    start, body = answer(with_entrance(application), path=ENTRANCE)
    assert start["status"] == 200 and b"location.hash" in body["body"]
    assert answer(with_entrance(application), path="/v2/runs") == [{"type": "reached"}]
