"""What a server on loopback must ask of each request: that it came by a name of this machine, from its pages.

Any web page may send requests to 127.0.0.1, and one whose own name is made to mean 127.0.0.1 may read the
answers, too. The browser says which: the page's origin, and the name that was asked for.
"""

import re

from .middleware import App, Message, Receive, Send

OURS = re.compile(rb"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?")
REFUSAL = b"This server answers requests to 127.0.0.1, from its own pages and from programs.\n"
ENTRANCE = "/open"
PAGE = b"""<!doctype html><meta charset="utf-8"><title>pacloop</title><p>...</p><script>
const key = btoa(decodeURIComponent(location.hash.slice(1)));
fetch("/api/admin/version", {headers: {Authorization: `Basic ${key}`}}).then(({ok}) => {
  if (ok) { localStorage.setItem("prefect-password", key); location.replace("/"); }
  else document.querySelector("p").textContent =
    "This address was that of another start of pacloop serve. Open the one that the last start printed.";
});
</script>
"""
"""Lets a browser in: Prefect's pages look for the string in the browser's storage for this address.

The string follows `#`, which a browser sends to nobody.
"""


def with_guard(app: App) -> App:
    """An ASGI application that is there for this machine only, and for its own pages."""

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or _is_ours(dict(scope["headers"])):
            await app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _respond(send, 403, b"text/plain", REFUSAL)

    return answer


def with_entrance(app: App) -> App:
    """An ASGI application with a page that lets a browser in that was told the string."""

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == ENTRANCE:
            await _respond(send, 200, b"text/html", PAGE)
        else:
            await app(scope, receive, send)

    return answer


def _is_ours(headers: dict[bytes, bytes]) -> bool:
    host = headers.get(b"host", b"")
    return bool(OURS.fullmatch(host)) and headers.get(b"origin") in (None, b"http://" + host)


async def _respond(send: Send, status: int, kind: bytes, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": body})
