"""What a file is, told by its first bytes (after the WHATWG MIME Sniffing Standard, section 6)."""

from dataclasses import dataclass

HEAD_BYTES = 1024
"""How much of a file `sniff` wants to see."""

_TS_PACKET = 188
_LAYER_I = 3  # nobody uses it, and UTF-16 text begins like it


@dataclass(frozen=True)
class MediaType:
    """A kind of file that Takeup stores: the content type it is served with, and the extension of its key."""

    content_type: str
    extension: str


MP4 = MediaType("video/mp4", "mp4")
QUICKTIME = MediaType("video/quicktime", "mov")
M4A = MediaType("audio/mp4", "m4a")
AVIF = MediaType("image/avif", "avif")
HEIC = MediaType("image/heic", "heic")
WEBM = MediaType("video/webm", "webm")
MATROSKA = MediaType("video/x-matroska", "mkv")
MPEG_TS = MediaType("video/mp2t", "ts")
AAC = MediaType("audio/aac", "aac")
MP3 = MediaType("audio/mpeg", "mp3")
OGG_VIDEO = MediaType("video/ogg", "ogv")
OGG_AUDIO = MediaType("audio/ogg", "ogg")

_PREFIXES: tuple[tuple[bytes, MediaType], ...] = (
    (b"\xff\xd8\xff", MediaType("image/jpeg", "jpg")),
    (b"\x89PNG\r\n\x1a\n", MediaType("image/png", "png")),
    (b"GIF87a", MediaType("image/gif", "gif")),
    (b"GIF89a", MediaType("image/gif", "gif")),
    (b"ID3", MP3),
    (b"fLaC", MediaType("audio/flac", "flac")),
    (b"FLV\x01", MediaType("video/x-flv", "flv")),
    (b"\x00\x00\x01\xba", MediaType("video/mpeg", "mpg")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", MediaType("video/x-ms-wmv", "wmv")),
)
_RIFF_FORMS = {
    b"WAVE": MediaType("audio/wav", "wav"),
    b"AVI ": MediaType("video/x-msvideo", "avi"),
    b"WEBP": MediaType("image/webp", "webp"),
}
_FTYP_BRANDS = {
    b"qt  ": QUICKTIME,
    b"M4A ": M4A,
    b"M4B ": M4A,
    b"avif": AVIF,
    b"avis": AVIF,
    b"heic": HEIC,
    b"heix": HEIC,
    b"mif1": HEIC,
}
_CLASSIC_ATOMS = frozenset({b"moov", b"mdat", b"wide"})


def sniff(head: bytes) -> MediaType | None:
    """The type of the file that begins with `head`; None where it is no media that Takeup stores."""
    for prefix, media_type in _PREFIXES:
        if head.startswith(prefix):
            return media_type
    return _iso_media(head) or _riff(head) or _matroska(head) or _ogg(head) or _mpeg_audio(head) or _mpeg_ts(head)


def _iso_media(head: bytes) -> MediaType | None:
    if head[4:8] == b"ftyp":
        return _FTYP_BRANDS.get(head[8:12], MP4)
    return QUICKTIME if head[4:8] in _CLASSIC_ATOMS else None


def _riff(head: bytes) -> MediaType | None:
    return _RIFF_FORMS.get(head[8:12]) if head.startswith(b"RIFF") else None


def _matroska(head: bytes) -> MediaType | None:
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    return WEBM if b"webm" in head[:128] else MATROSKA


def _ogg(head: bytes) -> MediaType | None:
    if not head.startswith(b"OggS"):
        return None
    return OGG_VIDEO if b"theora" in head else OGG_AUDIO


def _mpeg_audio(head: bytes) -> MediaType | None:
    """Eleven set bits begin a frame (ISO/IEC 11172-3); layer 0 with a set version bit is ADTS, so AAC."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if layer == 0:
        return AAC if version >= 2 else None
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    return MP3 if layer != _LAYER_I and version != 1 and bitrate not in {0, 15} and rate != 3 else None


def _mpeg_ts(head: bytes) -> MediaType | None:
    """A sync byte every 188 bytes (ISO/IEC 13818-1)."""
    syncs = head[: 4 * _TS_PACKET : _TS_PACKET]
    return MPEG_TS if len(syncs) >= 3 and set(syncs) == {0x47} else None
