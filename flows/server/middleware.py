"""Prefect's server as `pacloop serve` starts it: it asks a busy database again, and its pages stay at home.

On SQLite a request that finds another one writing is answered with 503 and nothing of it is kept. Prefect's
own client then asks again; its UI does not, and tells whoever filled in a form of an "unknown error".

The pages load the library of a company that counts clicks, which asks that company for its settings even
where analytics is off. A content security policy makes the browser refuse whatever is not this server, and
keeps other sites from showing these pages in a frame of theirs.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

HOME_ONLY = (
    b"content-security-policy",
    b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'",
)
BUSY = 503
TRIES = 8
FIRST_WAIT_SEC = 0.1
"""Doubled with each try: 12 s in all."""


def with_content_policy(app: App) -> App:
    """An ASGI application whose pages ask nobody but itself."""

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = dict(message) | {"headers": [*message.get("headers", ()), HOME_ONLY]}
            await send(message)

        await app(scope, receive, send_with_policy)

    return answer


def with_retries(app: App) -> App:
    """An ASGI application that handles a request again while the answer is that the database is busy."""

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "/api/" not in scope["path"]:
            await app(scope, receive, send)
            return
        body = [await receive()]
        while body[-1].get("more_body"):
            body.append(await receive())
        for attempt in range(1, TRIES + 1):
            attempted = _Attempt(send, last=attempt == TRIES)
            try:
                await app(dict(scope), _replay(body, receive), attempted)
            except Exception:  # Starlette raises what it has answered with an error, for the server's log
                if not attempted.busy:
                    raise
            if not attempted.busy:
                return
            await asyncio.sleep(FIRST_WAIT_SEC * 2 ** (attempt - 1))

    return answer


class _Attempt:
    """Passes an answer on, unless it says that the database is `busy` and this was not the last try."""

    def __init__(self, send: Send, last: bool) -> None:
        self._send, self._last, self.busy = send, last, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.busy = message["status"] == BUSY and not self._last
        if not self.busy:
            await self._send(message)


def _replay(body: list[Message], receive: Receive) -> Receive:
    """Gives a body that was read already, then what comes after it: that the client is gone."""
    rest = iter(body)

    async def replay() -> Message:
        return next(rest, None) or await receive()

    return replay
