"""Ranges and validators (RFC 9110): what tells that two answers give bytes of the same file.

A file is read in pieces only under a strong validator, so that bytes of two versions are never mixed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)
_ENTITY_TAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')
_CLOCKS_SECONDS = 60


@dataclass(frozen=True)
class Version:
    """One version of a file at its source: its strong validator, and its length in bytes."""

    validator: str
    length: int


@dataclass(frozen=True)
class ContentRange:
    """What a 206 answer gives: bytes `start` to `stop` (which is not in it) of a file of `total` bytes."""

    start: int
    stop: int
    total: int


def content_range(header: str) -> ContentRange | None:
    """A Content-Range header read; None where it is missing, malformed, or leaves the length open."""
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None:
        return None
    first, last, total = (int(text) for text in match.groups())
    return ContentRange(first, last + 1, total) if first <= last < total else None


def strong_validator(headers: Mapping[str, str]) -> str | None:
    """The validator under which ranges may be put together; None where there is no strong one.

    A strong ETag; where there is none at all, Last-Modified, if Date is so much later that the file cannot have changed
    twice in that second (section 8.8.2.2; a minute, so that two clocks of one site do no harm).
    """
    tag = headers.get("ETag", "").strip()
    if tag:
        return tag if _ENTITY_TAG.fullmatch(tag) else None
    modified = headers.get("Last-Modified", "").strip()
    try:
        age = parsedate_to_datetime(headers.get("Date", "")) - parsedate_to_datetime(modified)
    except (TypeError, ValueError, OverflowError):
        return None
    return modified if age.total_seconds() >= _CLOCKS_SECONDS else None


def contradicts(headers: Mapping[str, str], validator: str) -> bool:
    """Whether an answer names another version than the validator's; one that names none contradicts nothing."""
    name = "ETag" if validator.startswith('"') else "Last-Modified"
    named = headers.get(name, "").strip()
    return bool(named) and named != validator


def range_headers(start: int, stop: int, validator: str | None = None) -> dict[str, str]:
    """The headers that ask for bytes `start` to `stop` (not in it): of that version, or else for the whole file."""
    condition = {"If-Range": validator} if validator else {}
    return {"Range": f"bytes={start}-{stop - 1}", **condition}
