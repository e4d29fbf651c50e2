"""Cursors of paged lists: opaque to the client, checked when they come back."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error

from app.core.errors import InvalidCursorError

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def encode_cursor(last_id: str) -> str:
    return urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """The id after which the next page begins. Raises `InvalidCursorError`."""
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (Error, ValueError) as error:
        raise InvalidCursorError from error
    if not _ID.fullmatch(text):
        raise InvalidCursorError
    return text
