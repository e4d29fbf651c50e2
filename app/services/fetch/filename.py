"""The name a person sees. It comes from a stranger, so it is cleaned, and it never becomes a key or a path."""

import re
import unicodedata
from email.message import Message
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

_MAX_LENGTH = 150
_EDGES = " ."
_EXTENDED_NAME = re.compile(r"filename\*\s*=\s*UTF-8'[^']*'(?P<name>[^;\s]+)", re.IGNORECASE)


def display_filename(url: str, disposition: str | None, extension: str) -> str:
    """The name from Content-Disposition, else from the link's path, with our own extension.

    NFC, without control, format (bidi) and path characters, at most 150 characters; `media` where nothing is left.
    """
    return clean_filename(_from_disposition(disposition) or unquote(urlsplit(url).path), extension)


def clean_filename(name: str, extension: str) -> str:
    """Any name made fit for display, ending in `.extension`."""
    last = PurePosixPath(name.replace("\\", "/")).name
    kept = unicodedata.normalize("NFC", "".join(c for c in last if unicodedata.category(c)[0] != "C" and c not in '"/'))
    stem = kept[: -len(extension) - 1] if kept.lower().endswith(f".{extension}") else kept
    room = _MAX_LENGTH - len(extension) - 1
    return f"{stem.strip(_EDGES)[:room].rstrip(_EDGES) or 'media'}.{extension}"


def _from_disposition(disposition: str | None) -> str | None:
    """`filename*` before `filename` (RFC 6266, section 4.3)."""
    if not disposition:
        return None
    extended = _EXTENDED_NAME.search(disposition)
    if extended:
        return unquote(extended["name"], errors="replace")
    message = Message()
    message["Content-Disposition"] = " ".join(disposition.split())
    try:
        return message.get_filename()
    except (LookupError, ValueError):  # a character set that is none, or not the one that was used
        return None
