"""What every request passes before a route sees it: metrics, headers, foreign pages, large bodies, repeats.

Plain ASGI, so that event streams pass untouched.
"""

import hashlib
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.callers import caller_of
from app.api.deps import API_PREFIX, Clients
from app.api.problems import problem_of, problem_response
from app.core.database import DatabaseError
from app.core.errors import (
    BodyTooLargeError,
    ForbiddenOriginError,
    InvalidRequestError,
    TakeupError,
    UnauthorizedError,
    UnavailableError,
)
from app.core.security import is_loopback
from app.core.telemetry import REQUEST_SECONDS, REQUESTS
from app.crud import crud_idempotency
from app.crud.crud_idempotency import KeptAnswer

_MAX_KEY_LENGTH = 255


def _clients(scope: Scope) -> Clients:
    clients = scope["app"].state.clients
    if not isinstance(clients, Clients):
        raise TypeError("the application has not started")
    return clients


async def _refuse(error: TakeupError, scope: Scope, receive: Receive, send: Send) -> None:
    await problem_response(problem_of(error))(scope, receive, send)


class MetricsMiddleware:
    """Counts requests by route template, never by raw path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = _route_of(scope)
                REQUESTS.labels(scope["method"], route, message["status"]).inc()
                REQUEST_SECONDS.labels(scope["method"], route).observe(time.perf_counter() - started)
            await send(message)

        await self._app(scope, receive, counted)


def _route_of(scope: Scope) -> str:
    """The template of the route that was chosen; a route knows it without the prefix it was included under."""
    path: str = getattr(scope.get("route"), "path", "unknown")
    included = scope["path"].startswith(API_PREFIX) and not path.startswith((API_PREFIX, "unknown"))
    return API_PREFIX + path if included else path


class HeadersMiddleware:
    """Adds what tells a browser to run nothing but our own, to frame nothing of ours, and to ask again for a page.

    Pictures and media come from the bucket, after a redirect. The API's own pages take their scripts from elsewhere.
    """

    _ALWAYS = (
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    )

    def __init__(self, app: ASGIApp, media_origin: str) -> None:
        self._app = app
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; "
            f"img-src 'self' {media_origin}; media-src 'self' {media_origin}; "
            "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        )
        self._page = (*self._ALWAYS, (b"content-security-policy", policy.encode()))
        self._docs = (*self._ALWAYS, (b"content-security-policy", b"frame-ancestors 'none'"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        added = self._docs if scope.get("path", "").startswith(("/docs", "/redoc")) else self._page

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], *added]
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-cache"))
                message["headers"] = headers
            await send(message)

        await self._app(scope, receive, with_headers)


class LocalOnlyMiddleware:
    """While no API key exists, serves this machine alone: a foreign Host (DNS rebinding) or Origin is refused."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/health/"):
            await self._app(scope, receive, send)
            return
        clients = _clients(scope)
        try:
            serves_others = await clients.keys.refresh(clients.database)
        except DatabaseError:
            await _refuse(UnavailableError(), scope, receive, send)
            return
        if not serves_others and not _is_local(scope):
            await _refuse(ForbiddenOriginError(), scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_local(scope: Scope) -> bool:
    """Whether the connection comes from this machine, and Host and Origin (if any) name it."""
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    try:
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        page = urlsplit(origin).hostname or "" if origin is not None else host
    except ValueError:
        return False
    peer = scope["client"][0] if scope.get("client") else ""
    return is_loopback(peer) and is_loopback(host) and is_loopback(page)


class BodyLimitMiddleware:
    """Reads a request's body whole, and refuses one over the limit before it is held in memory.

    FastAPI's `max_body_size` does the same, but its answer is plain text without a code.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS", "DELETE"}:
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        body = bytearray()
        fits = not declared.isdigit() or int(declared) <= self._max_bytes
        async for chunk in Request(scope, receive).stream():
            body += chunk
            if len(body) > self._max_bytes:
                fits = False
                break
        if not fits:
            await _refuse(BodyTooLargeError(f"(At most {self._max_bytes} bytes.)"), scope, receive, send)
            return
        await self._app(scope, _replay(bytes(body), receive), send)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once, then what comes from the client (its leaving)."""
    waiting = [body]

    async def replayed() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replayed


class IdempotencyMiddleware:
    """A POST that is repeated under the same Idempotency-Key gets the first one's answer, and does nothing again.

    A key is its workspace's own: an answer is given again only to who might have asked for it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else None
        key = headers.get("idempotency-key") if headers else None
        if headers is None or not key or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if len(key) > _MAX_KEY_LENGTH:
            await _refuse(InvalidRequestError("(The Idempotency-Key is too long.)"), scope, receive, send)
            return
        body = await Request(scope, receive).body()
        clients = _clients(scope)
        database = clients.database
        try:
            caller = await caller_of(Request(scope), database, clients.keys)
            record = _digest(caller.workspace, scope["path"], key)
            kept = await crud_idempotency.begin(database, record, _digest(body.decode("latin-1")))
        except UnauthorizedError:  # whom the route refuses as well, or lets sign in
            await self._app(scope, _replay(body, receive), send)
            return
        except TakeupError as error:
            await _refuse(error, scope, receive, send)
            return
        except DatabaseError:
            await _refuse(UnavailableError(), scope, receive, send)
            return
        if kept is not None:
            await _send_kept(kept, send)
            return
        recorder = _Recorder(send)
        try:
            await self._app(scope, _replay(body, receive), recorder)
        finally:
            if recorder.answer is None:
                await crud_idempotency.forget(database, record)
            else:
                await crud_idempotency.keep(database, record, recorder.answer)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class _Recorder:
    """Passes the answer on, and keeps a copy of one that may be given again: complete, and no 401, 403 or 5xx.

    One that sets a cookie is kept by nobody but its browser.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status = 500
        self._content_type = ""
        self._sets_cookie = False
        self._body = bytearray()
        self.answer: KeptAnswer | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = Headers(raw=message["headers"])
            self._content_type = headers.get("content-type", "")
            self._sets_cookie = "set-cookie" in headers
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            complete = not message.get("more_body") and not self._sets_cookie
            if complete and self._status < 500 and self._status not in {401, 403}:
                self.answer = KeptAnswer(self._status, self._content_type, self._body.decode())
        await self._send(message)


async def _send_kept(kept: KeptAnswer, send: Send) -> None:
    headers = [(b"content-type", kept.content_type.encode()), (b"idempotency-replayed", b"true")]
    await send({"type": "http.response.start", "status": kept.status, "headers": headers})
    await send({"type": "http.response.body", "body": kept.body.encode()})
