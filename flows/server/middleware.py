"""Prefect's server as `pacloop serve` starts it: it asks a busy database again, and its pages stay at home.

On SQLite a request that finds another one writing is answered with 503 and nothing of it is kept. Prefect's
own client then asks again; its UI does not, and tells whoever filled in a form of an "unknown error".

The pages load the library of a company that counts clicks, which asks that company for its settings even
where analytics is off. A content security policy makes the browser refuse whatever is not this server.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

HOME_ONLY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' data: blob:"
BUSY = 503
TRIES = 8
FIRST_WAIT_SEC = 0.1
"""Doubled with each try: 12 s in all."""


def create_app() -> App:
    """Prefect's server, for uvicorn's `--factory`."""
    from prefect.server.api.server import create_app
    from prefect.settings import PREFECT_UI_API_URL

    return at_home(patient(create_app(final=True)), PREFECT_UI_API_URL.value() or "")


def at_home(app: App, url: str) -> App:
    """An ASGI application whose pages ask nobody but itself and the API at `url`."""
    api = "/".join(url.split("/")[:3])  # http://127.0.0.1:4200 of http://127.0.0.1:4200/api
    policy = f"{HOME_ONLY} {api} {api.replace('http', 'ws', 1)}".strip()
    header = (b"content-security-policy", policy.encode())

    async def answer(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = dict(message) | {"headers": [*message.get("headers", ()), header]}
            await send(message)

        await app(scope, receive, with_policy)

    return answer


def patient(app: App) -> App:
    """An ASGI application that handles a request again while the answer is that the database is busy."""

    async def ask(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "/api/" not in scope["path"]:
            await app(scope, receive, send)
            return
        body = await _body(receive)
        for tried in range(1, TRIES + 1):
            again = _Again(send, last=tried == TRIES)
            try:
                await app(dict(scope), _replay(body, receive), again)
            except Exception:  # Starlette raises what it has answered with an error, for the server's log
                if not again.wanted:
                    raise
            if not again.wanted:
                return
            await asyncio.sleep(FIRST_WAIT_SEC * 2 ** (tried - 1))

    return ask


class _Again:
    """Passes an answer on, unless it says that the database is busy and this was not the last try."""

    def __init__(self, send: Send, last: bool) -> None:
        self._send, self._last, self.wanted = send, last, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.wanted = message["status"] == BUSY and not self._last
        if not self.wanted:
            await self._send(message)


async def _body(receive: Receive) -> list[Message]:
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


def _replay(body: list[Message], receive: Receive) -> Receive:
    """Gives a body that was read already, then what comes after it: that the client is gone."""
    left = list(body)

    async def replay() -> Message:
        return left.pop(0) if left else await receive()

    return replay
