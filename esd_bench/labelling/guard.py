"""Who may ask for the page: an ASGI wrapper that knows one token, one host, and how large a request may be.

The token comes once, in the URL, and becomes a cookie (HttpOnly, SameSite=Strict). A post must come from the page itself:
its Origin is the host it was sent to, and it carries a header that only the page knows.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

LARGEST = 64 * 1024
"""Bytes of a request's body."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEADERS = {
    # The 3-D viewer styles its own inside with <style> elements, decodes textures from blobs and meshes in WebAssembly.
    "content-security-policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self' blob:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


def csrf(token: str) -> str:
    """What a post must carry in ``X-CSRF-Token``, or a form in its field ``csrf``."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


class Guard:
    """Lets through what comes with the token, and puts the security headers on every answer.

    Args:
        app: what is guarded.
        token: of the study.
        port: part of the cookie's name, because browsers share cookies between ports.
        host: on which the server listens; an address of all interfaces lets any Host header through.
    """

    def __init__(self, app: App, token: str, port: int, host: str) -> None:
        self.app, self.token, self.host = app, token, host.lower()
        self.cookie = f"esd_label_{port}"

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer, or let the app answer; websockets are not spoken."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        refused = self._refused(scope, headers)
        body = b"" if refused else await _body(receive)
        if refused:
            await _answer(send, *refused)
        elif body is None:
            # Too long, or cut off: a half of a note would be kept for the whole.
            await _answer(send, 413, _page("That was too long."))
        elif scope["method"] not in ("GET", "HEAD") and not self._ours(headers, body):
            await _answer(send, 403, _page("This came from another page. Reload, and try again."))
        elif scope["path"] == "/" and scope["query_string"].startswith(b"token="):
            await _answer(send, 200, ENTRY, self._entry())
        else:
            await self.app(scope, _again(body, receive), _protected(send))

    def _refused(self, scope: Message, headers: dict[str, str]) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if self.host not in ("0.0.0.0", "::") and _name(host) not in (*LOOPBACK, self.host):
            return 400, _page("This address is not where the study is served.")
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        entering = scope["path"] == "/" and scope["method"] == "GET" and given
        if not _equal(given if entering else _cookie(headers, self.cookie), self.token):
            return 403, _page("Open the link that the study's host gave you: it holds a token.")
        return None

    def _ours(self, headers: dict[str, str], body: bytes) -> bool:
        host, origin = headers.get("host", ""), headers.get("origin", "")
        same = bool(host) and origin in (f"http://{host}", f"https://{host}")
        field = parse_qs(body.decode("latin-1")).get("csrf", [""])[0]
        return same and _equal(headers.get("x-csrf-token") or field, csrf(self.token))

    def _entry(self) -> list[tuple[bytes, bytes]]:
        value = f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=7776000"
        return [(b"set-cookie", value.encode("latin-1"))]


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _cookie(headers: dict[str, str], name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _equal(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode(), b.encode())


def _page(text: str, head: str = "") -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<title>Human study</title><link rel="icon" href="data:,">{head}<main><h1>Human study</h1><p>{text}</p></main>'
    )


# Not a redirect: a Strict cookie does not follow one that began on another site, such as a mail.
ENTRY = _page(
    '<a href="/">Go on to the study.</a>', '<meta http-equiv="refresh" content="0;url=/">'
)


def _secure() -> list[tuple[bytes, bytes]]:
    return [(k.encode(), v.encode()) for k, v in HEADERS.items()]


async def _answer(
    send: Send, status: int, text: str, more: list[tuple[bytes, bytes]] | None = None
) -> None:
    plain = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]
    body = text.encode()
    size = [(b"content-length", str(len(body)).encode())]
    start = {"type": "http.response.start", "status": status}
    await send({**start, "headers": [*plain, *size, *_secure(), *(more or [])]})
    await send({"type": "http.response.body", "body": body})


def _protected(send: Send) -> Send:
    async def secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *_secure()]}
        await send(message)

    return secured


async def _body(receive: Receive) -> bytes | None:
    """A request's body; None when it breaks off, or is longer than :data:`LARGEST`, whatever it says of itself."""
    body, more = b"", True
    while more and len(body) <= LARGEST:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body if len(body) <= LARGEST else None


def _again(body: bytes, receive: Receive) -> Receive:
    """Receive a body that was read already."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return left.pop() if left else await receive()

    return next_message
