"""What a bucket compares a body with before it takes it."""

from base64 import b64encode
from hashlib import md5

from isal.isal_zlib import crc32  # six times as fast as zlib's


def content_md5(body: bytes | bytearray) -> str:
    """The Content-MD5 header's value (RFC 1864)."""
    return b64encode(md5(body, usedforsecurity=False).digest()).decode()


def content_crc32(body: bytes | bytearray) -> str:
    """The x-amz-checksum-crc32 header's value."""
    return b64encode(crc32(body).to_bytes(4, "big")).decode()
