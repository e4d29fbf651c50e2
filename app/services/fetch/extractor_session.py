"""yt-dlp as Takeup runs it: no way out but requests', no page without an end, and no ffmpeg that fetches."""

from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from yt_dlp import YoutubeDL
from yt_dlp.downloader.external import FFmpegFD
from yt_dlp.networking import Request

from app.core.media_errors import (
    LiveContentError,
    ProtectedContentError,
    TooLargeError,
    UnsupportedLinkError,
)
from app.services.fetch.exchange import whole_number
from app.services.fetch.guard import check_target

MAX_PAGE_BYTES = 32 << 20
"""What a page, a manifest or an API's answer may be, once unpacked: they are read whole."""

_PIECE_BYTES = 1 << 18


class GuardedYoutubeDL(YoutubeDL):  # type: ignore[misc]  # yt-dlp has no types
    """A `YoutubeDL` whose requests are http and https through requests, and `data:` addresses."""

    def build_request_director(self, handlers: Iterable[Any], preferences: Any = None) -> Any:
        by_key = {handler.RH_KEY: handler for handler in handlers}
        data = type("DataRH", (by_key["Urllib"],), {"_SUPPORTED_URL_SCHEMES": ("data",)})
        return super().build_request_director([by_key["Requests"], data], preferences)

    def urlopen(self, req: Any) -> Any:
        url = req if isinstance(req, str) else req.url
        if not url.startswith("data:"):
            check_target(url)
        response = super().urlopen(req)
        response.read = _bounded(response.read)
        return response


def first_bytes(downloader: YoutubeDL, info: Mapping[str, Any], count: int) -> tuple[bytes, int | None]:
    """The beginning of the file that a format is, and its length in bytes where that is declared."""
    headers = {**headers_of(downloader, info), "Accept-Encoding": "identity"}
    with closing(downloader.urlopen(Request(info["url"], headers=headers))) as response:
        length = whole_number(response.get_header("Content-Length") or "")
        return response.read(count), length


def headers_of(downloader: YoutubeDL, info: Mapping[str, Any]) -> dict[str, str]:
    """The headers that a format's site expects, the cookies among them that it has set."""
    headers = dict(info.get("http_headers") or {})
    cookies = downloader.cookiejar.get_cookie_header(info["url"])
    return {**headers, "Cookie": cookies} if cookies else headers


def _bounded(read: Any) -> Any:
    """`read`, that raises `TooLargeError` where all is asked for and it is more than a page may be."""

    def read_bounded(amount: int | None = None) -> bytes:
        if amount is not None:
            return bytes(read(amount))
        body = bytearray()
        while piece := read(_PIECE_BYTES):
            body += piece
            if len(body) > MAX_PAGE_BYTES:
                raise TooLargeError("Its page or playlist is too large to read.")
        return bytes(body)

    return read_bounded


def _refuse(downloader: FFmpegFD, filename: str, info: dict[str, Any]) -> bool:  # noqa: ARG001 - yt-dlp's signature
    """What yt-dlp cannot fetch itself it hands to ffmpeg as an address: live, encrypted, or no HTTP at all."""
    if info.get("is_live"):
        raise LiveContentError
    if str(info.get("protocol")).startswith("m3u8"):
        raise ProtectedContentError
    raise UnsupportedLinkError


FFmpegFD.real_download = _refuse
