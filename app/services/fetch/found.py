"""The one file that an extractor found behind a page: fetched as a link is that leads to the media itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_NAME = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_VALUE = re.compile(r"[\x20-\x7e\x80-\xff]{0,4096}")
_OURS = re.compile(
    r"(accept-encoding|connection|content-.*|expect|host|if-.*|keep-alive|proxy-.*|range|te|trailer|transfer-encoding"
    r"|upgrade)",
    re.IGNORECASE,
)
"""What frames a request, routes it, or says which bytes of which version it is for."""
_FOR_ALL = frozenset({"User-Agent", "Accept", "Accept-Language", "Referer", "Origin"})
"""What another site may be told too: no cookie, and no key by whatever name."""


@dataclass(frozen=True)
class FoundFile:
    """Its address, the headers that the site expects with each request for it, and its title."""

    url: str
    headers: Mapping[str, str]
    title: str

    @classmethod
    def of(cls, url: str, headers: Mapping[str, str], title: str) -> "FoundFile":
        """From what the extractor says, which may be a stranger's words: only headers that do no harm are kept."""
        kept = {
            name.title(): value
            for name, value in headers.items()
            if _NAME.fullmatch(name) and _VALUE.fullmatch(value) and not _OURS.fullmatch(name)
        }
        return cls(url, kept, title)


def headers_after_redirect(headers: Mapping[str, str], address: str, target: str) -> Mapping[str, str]:
    """The headers to go on with: another host, port or scheme is told no secret (RFC 9110, section 15.4)."""
    here, there = urlsplit(address), urlsplit(target)
    if (here.scheme, here.netloc) == (there.scheme, there.netloc):
        return headers
    return {name: value for name, value in headers.items() if name in _FOR_ALL}
