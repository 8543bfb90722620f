"""What stands before every request: limits of time and rate, other pages, safe headers, no traces."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import MutableMapping
from typing import Any

import h11
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_POLICY = (
    "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_MOST_CLIENTS = 10_000
_LOGGER = logging.getLogger(__name__)


class Rate:
    """A bucket of tokens for every client: each request takes one, and time fills it.

    Parameters
    ----------
    per_minute
        Tokens that come in a minute.
    burst
        Tokens that a bucket holds.
    """

    def __init__(self, per_minute: float, burst: int) -> None:
        self._per_s, self._burst = per_minute / 60.0, float(burst)
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, client: str, now: float) -> bool:
        """Take a token of a client at a time, s; return whether there was one."""
        tokens, then = self._buckets.get(client, (self._burst, now))
        tokens = min(self._burst, tokens + (now - then) * self._per_s)
        allowed = tokens >= 1.0
        if len(self._buckets) >= _MOST_CLIENTS:  # those of long ago are full again by now
            self._buckets.clear()
        self._buckets[client] = (tokens - allowed, now)
        return allowed


def head_within(head_s: float) -> type[H11Protocol]:
    """Return uvicorn's protocol for connections, which waits so many seconds for the head of a request.

    Uvicorn itself bounds the size of a head and the time between requests, but waits for ever for a head that
    has begun.
    """

    class Timely(H11Protocol):
        """Closes connections on which the head of a request is late."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._late: asyncio.TimerHandle | None = self.loop.call_later(head_s, transport.close)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:
                self._in_time()
            elif self._late is None:
                self._late = self.loop.call_later(head_s, self.transport.close)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._in_time()

        def _in_time(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

    return Timely


class Guard:
    """Passes requests on to the application.

    Parameters
    ----------
    app
        The application.
    rate
        What each client may ask for; reading is free.
    """

    def __init__(self, app: ASGIApp, rate: Rate) -> None:
        self._app, self._rate = app, rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = {"begun": False, "received": scope["method"] in ("GET", "HEAD")}

        async def receive_all() -> Message:
            message = await receive()
            state["received"] |= not message.get("more_body", False)
            return message

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                state["begun"] = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if not state["received"]:  # what is still to come is not waited for
                    headers["Connection"] = "close"
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await _answer(send_safely, *refusal)
            return
        try:
            await self._app(scope, receive_all, send_safely)
        except ClientDisconnect:
            _LOGGER.debug("A client left before its request was there.")
        except Exception:
            number = uuid.uuid4().hex[:12]
            _LOGGER.exception("Error %s in %s", number, scope["path"].encode("unicode_escape").decode())
            if not state["begun"]:
                told = f"Something is wrong with the server: its log tells more of error {number}."
                await _answer(send_safely, 500, told)

    def _refusal(self, scope: MutableMapping[str, Any]) -> tuple[int, str] | None:
        if scope["method"] in ("GET", "HEAD"):
            return None
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != headers.get("host"):
            return 403, "Another page asks for this: only the server's own page may."
        client = scope["client"][0] if scope.get("client") else ""
        if not self._rate.take(client, time.monotonic()):
            return 429, "These are too many requests: wait a few seconds."
        return None


async def _answer(send: Send, status: int, told: str) -> None:
    headers = [(b"content-type", b"application/json")]
    if status == 429:  # noqa: PLR2004
        headers.append((b"retry-after", b"2"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"error": told}).encode()})
