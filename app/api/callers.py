"""Who sends a request: a program by its API key, or a browser that has signed in by its session's cookie."""

import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response

from app.core.config import Settings
from app.core.database import Async
from app.core.errors import ForbiddenOriginError, UnauthorizedError
from app.core.security import DEFAULT_WORKSPACE
from app.crud import crud_api_key, crud_session
from app.crud.crud_session import Caller

_KEY_CHECK_SECONDS = 2.0
_DAY_SECONDS = 24 * 3600
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass
class KeyPolicy:
    """Whether a key is asked for: as soon as one has been created, looked up again every two seconds."""

    required: bool = False
    looked_at: float = field(default=float("-inf"))

    async def refresh(self, database: Async) -> bool:
        if time.monotonic() - self.looked_at > _KEY_CHECK_SECONDS:
            self.required = await crud_api_key.any_key(database)
            self.looked_at = time.monotonic()
        return self.required


async def caller_of(request: HTTPConnection, database: Async, keys: KeyPolicy) -> Caller:
    """The caller; anybody, in the default workspace, where no key has been created.

    A key in the request goes before a cookie, which browsers send by themselves: with one alone, whatever may change
    something must come from a page of ours. Raises `UnauthorizedError` and `ForbiddenOriginError`.
    """
    if not await keys.refresh(database):
        return Caller(DEFAULT_WORKSPACE)
    authorization = request.headers.get("authorization")
    token = session_token(request)
    caller = None
    if authorization is not None:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() == "bearer":
            caller = await crud_session.caller_with_key(database, key.strip())
    elif token is not None:
        if request.scope["method"] not in _SAFE_METHODS:
            refuse_foreign_page(request)
        caller = await crud_session.caller_with_session(database, token)
    if caller is None:
        raise UnauthorizedError
    return caller


def refuse_foreign_page(request: HTTPConnection) -> None:
    """Raise `ForbiddenOriginError` unless the browser says that a page of ours sends this.

    `Sec-Fetch-Site` tells, where the browser trusts the connection; else the name and port of `Origin` do.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    try:
        ours = origin is not None and urlsplit(origin).netloc == request.headers.get("host")
    except ValueError:
        ours = False
    if not (ours if site is None else site == "same-origin"):
        raise ForbiddenOriginError


def session_token(request: HTTPConnection) -> str | None:
    """What the session's cookie holds."""
    return request.cookies.get(_cookie_name(request))


def set_session(response: Response, request: HTTPConnection, token: str, settings: Settings) -> None:
    """Have the browser keep the token from every script, and send it to this host alone."""
    response.set_cookie(
        _cookie_name(request),
        token,
        max_age=settings.takeup_session_days * _DAY_SECONDS,
        secure=_is_secure(request),
        httponly=True,
        samesite="strict",
    )


def forget_session(response: Response, request: HTTPConnection) -> None:
    """Have the browser drop the token."""
    response.delete_cookie(_cookie_name(request), secure=_is_secure(request), httponly=True, samesite="strict")


def _cookie_name(request: HTTPConnection) -> str:
    """`__Host-` keeps other names of the same domain from setting it (RFC 6265bis, 4.1.3.2)."""
    return "__Host-takeup" if _is_secure(request) else "takeup"


def _is_secure(request: HTTPConnection) -> bool:
    """Whether it came over https, as uvicorn has it from the proxies in FORWARDED_ALLOW_IPS (else: of this machine)."""
    return bool(request.scope["scheme"] == "https")
