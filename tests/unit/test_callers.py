"""Which requests a browser sends for a page of ours, and what it is told to keep."""

import pytest
from starlette.requests import HTTPConnection
from starlette.responses import Response

from app.api.callers import forget_session, refuse_foreign_page, session_token, set_session
from app.core.errors import ForbiddenOriginError
from tests.servers import settings_of

SETTINGS = settings_of(
    {
        "MONGODB_URI": "mongodb://db.example/",
        "REDIS_URL": "redis://broker.example/",
        "S3_ENDPOINT_URL": "https://s3.example",
        "S3_ACCESS_KEY_ID": "access",
        "S3_SECRET_ACCESS_KEY": "secret",
    }
)


def request(scheme: str = "https", **headers: str) -> HTTPConnection:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection({"type": "http", "scheme": scheme, "headers": raw})


OURS: list[dict[str, str]] = [
    {"sec_fetch_site": "same-origin", "host": "inside:8000", "origin": "https://takeup.example"},
    {"host": "takeup.example", "origin": "https://takeup.example"},
    {"host": "192.168.1.7:8000", "origin": "http://192.168.1.7:8000"},
]
FOREIGN: list[dict[str, str]] = [
    {},
    {"host": "takeup.example"},
    {"host": "takeup.example", "origin": "null"},
    {"host": "takeup.example", "origin": "https://evil.example"},
    {"host": "takeup.example", "origin": "https://takeup.example.evil.example"},
    {"host": "takeup.example", "origin": "https://takeup.example:444"},
    {"host": "takeup.example", "origin": "https://["},
    {"sec_fetch_site": "cross-site", "host": "takeup.example", "origin": "https://takeup.example"},
    {"sec_fetch_site": "same-site", "host": "takeup.example", "origin": "https://other.takeup.example"},
    {"sec_fetch_site": "none", "host": "takeup.example"},
]


@pytest.mark.parametrize("headers", OURS)
def test_a_page_of_ours_may_change_something(headers: dict[str, str]) -> None:
    refuse_foreign_page(request(**headers))


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_foreign_page_may_not_and_neither_may_silence(headers: dict[str, str]) -> None:
    with pytest.raises(ForbiddenOriginError):
        refuse_foreign_page(request(**headers))


def told(response: Response) -> set[str]:
    return {part.strip() for part in response.headers["set-cookie"].split(";")}


def test_over_https_the_cookie_is_for_this_host_and_for_https_alone() -> None:
    kept, dropped = Response(), Response()
    set_session(kept, request(), "token", SETTINGS)
    strict = {"HttpOnly", "Path=/", "SameSite=strict", "Secure"}
    assert told(kept) == {"__Host-takeup=token", f"Max-Age={30 * 24 * 3600}", *strict}
    forget_session(dropped, request())
    assert told(dropped) >= {'__Host-takeup=""', "Max-Age=0", *strict}


def test_over_http_it_is_not_secure_and_one_scheme_does_not_take_the_others() -> None:
    kept = Response()
    set_session(kept, request("http"), "token", SETTINGS)
    assert told(kept) == {"takeup=token", f"Max-Age={30 * 24 * 3600}", "HttpOnly", "Path=/", "SameSite=strict"}
    assert session_token(request("http", cookie="takeup=token")) == "token"
    assert session_token(request("https", cookie="takeup=token")) is None
    assert session_token(request("https", cookie="__Host-takeup=token")) == "token"
