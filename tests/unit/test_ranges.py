"""Validators and ranges, as RFC 9110 has them."""

import pytest

from app.services.fetch.ranges import (
    ContentRange,
    content_range,
    contradicts,
    range_headers,
    strong_validator,
)

DATE = "Sun, 22 Nov 2026 12:00:00 GMT"
LONG_BEFORE = "Sun, 22 Nov 2026 11:59:00 GMT"
JUST_BEFORE = "Sun, 22 Nov 2026 11:59:01 GMT"


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"ETag": '"a"'}, '"a"'),
        ({"ETag": '""'}, '""'),
        ({"ETag": '"a"', "Last-Modified": LONG_BEFORE, "Date": DATE}, '"a"'),
        ({"ETag": 'W/"a"'}, None),
        ({"ETag": 'W/"a"', "Last-Modified": LONG_BEFORE, "Date": DATE}, None),
        ({"ETag": "a"}, None),
        ({"ETag": '"a" "b"'}, None),
        ({"Last-Modified": LONG_BEFORE, "Date": DATE}, LONG_BEFORE),
        ({"Last-Modified": JUST_BEFORE, "Date": DATE}, None),
        ({"Last-Modified": DATE, "Date": LONG_BEFORE}, None),
        ({"Last-Modified": LONG_BEFORE}, None),
        ({"Last-Modified": "yesterday", "Date": DATE}, None),
        ({"Last-Modified": "Sun, 22 Nov 2026 11:00:00 -0000", "Date": DATE}, None),
        ({}, None),
    ],
)
def test_only_a_strong_validator_counts(headers: dict[str, str], validator: str | None) -> None:
    assert strong_validator(headers) == validator


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes 0-9/10", ContentRange(0, 10, 10)),
        ("bytes 5-5/10", ContentRange(5, 6, 10)),
        (" bytes 0-0/1 ", ContentRange(0, 1, 1)),
        ("bytes 0-10/10", None),
        ("bytes 6-5/10", None),
        ("bytes 0-9/*", None),
        ("bytes */10", None),
        ("bits 0-9/10", None),
        ("bytes 0-9/" + "9" * 30, None),
        ("bytes ٠-٩/10", None),  # noqa: RUF001 - digits, but not of HTTP
        ("", None),
    ],
)
def test_content_range_is_read_or_refused(header: str, expected: ContentRange | None) -> None:
    assert content_range(header) == expected


@pytest.mark.parametrize(
    ("headers", "validator", "other"),
    [
        ({"ETag": '"a"'}, '"a"', False),
        ({"ETag": '"b"'}, '"a"', True),
        ({"ETag": 'W/"a"'}, '"a"', True),
        ({}, '"a"', False),
        ({"Last-Modified": DATE}, '"a"', False),
        ({"Last-Modified": DATE}, LONG_BEFORE, True),
        ({"Last-Modified": DATE}, DATE, False),
    ],
)
def test_answer_of_another_version_is_told(headers: dict[str, str], validator: str, other: bool) -> None:
    assert contradicts(headers, validator) is other


def test_range_is_asked_for_under_its_condition() -> None:
    assert range_headers(0, 10) == {"Range": "bytes=0-9"}
    assert range_headers(10, 11, '"a"') == {"Range": "bytes=10-10", "If-Range": '"a"'}
