"""What a file is, told by its first bytes."""

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.demo.samples import Samples
from app.services.fetch.sniff import HEAD_BYTES, MediaType, sniff


def box(kind: bytes, *brands: bytes) -> bytes:
    body = b"".join(brands)
    return struct.pack(">I", 8 + len(body)) + kind + body


def ts_packets(count: int) -> bytes:
    return (b"\x47\x40\x00\x10" + bytes(184)) * count


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("clip", "video/mp4"),
        ("tail", "video/mp4"),
        ("webm", "video/webm"),
        ("tone", "audio/mpeg"),
        ("photo", "image/jpeg"),
        ("loop", "image/gif"),
        ("hls", None),
        ("dash", None),
        ("watch", None),
        ("article", None),
    ],
)
def test_sample_is_told(samples: Samples, name: str, content_type: str | None) -> None:
    path: Path = getattr(samples, name)
    found = sniff(path.read_bytes()[:HEAD_BYTES])
    assert (found.content_type if found else None) == content_type


def test_segment_of_a_stream_is_told(samples: Samples) -> None:
    found = sniff((samples.folder / "hls/segment0.ts").read_bytes()[:HEAD_BYTES])
    assert found == MediaType("video/mp2t", "ts")


@pytest.mark.parametrize(
    ("head", "content_type"),
    [
        (box(b"ftyp", b"isom", bytes(4), b"mp42"), "video/mp4"),
        (box(b"ftyp", b"qt  ", bytes(4)), "video/quicktime"),
        (box(b"ftyp", b"M4A ", bytes(4)), "audio/mp4"),
        (box(b"ftyp", b"M4B ", bytes(4)), "audio/mp4"),
        (box(b"ftyp", b"avif", bytes(4)), "image/avif"),
        (box(b"ftyp", b"heic", bytes(4)), "image/heic"),
        (box(b"ftyp", b"mif1", bytes(4)), "image/heic"),
        (box(b"moov", bytes(8)), "video/quicktime"),
        (box(b"mdat", bytes(8)), "video/quicktime"),
        (box(b"wide"), "video/quicktime"),
        (b"RIFF\x10\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"RIFF\x10\x00\x00\x00AVI LIST", "video/x-msvideo"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", "video/webm"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska", "video/x-matroska"),
        (b"OggS\x00\x02" + bytes(22) + b"\x80theora", "video/ogg"),
        (b"OggS\x00\x02" + bytes(22) + b"OpusHead", "audio/ogg"),
        (b"ID3\x04\x00", "audio/mpeg"),
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"\xff\xf3\x84\xc4", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"\xff\xf9\x50\x80", "audio/aac"),
        (b"fLaC\x00\x00\x00\x22", "audio/flac"),
        (b"FLV\x01\x05", "video/x-flv"),
        (b"\x00\x00\x01\xba\x44", "video/mpeg"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", "video/x-ms-wmv"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (ts_packets(4), "video/mp2t"),
    ],
)
def test_signature_is_told(head: bytes, content_type: str) -> None:
    found = sniff(head)
    assert found is not None
    assert found.content_type == content_type


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x00",
        bytes(HEAD_BYTES),
        b"<!doctype html><html><body><video src='clip.mp4'></video>",
        b"\n\n <HTML><head>",
        b'<?xml version="1.0"?><MPD></MPD>',
        b'<svg xmlns="http://www.w3.org/2000/svg"></svg>',
        b"#EXTM3U\n#EXT-X-VERSION:3\n",
        b"The boats come in.\n",
        b'{"video": "clip.mp4"}',
        b"GIF88a",
        b"RIFF\x10\x00\x00\x00CDDA",
        b"%PDF-1.7",
        b"PK\x03\x04",
        b"\x7fELF\x02\x01\x01",
        b"\xff\xff\xff\xff",
        b"\xff\xe0\x00\x00",
        ts_packets(1) + b"not another packet",
        "Die Boote kommen.".encode("utf-8-sig"),
        b"\xff\xfe" + "The boats come in.".encode("utf-16-le"),
        b"\xff\xfe" + "<html><body>hello".encode("utf-16-le"),
        b"\xff\xfe" + "hello".encode("utf-16-le"),
        b"\xfe\xff" + "The boats come in.".encode("utf-16-be"),
    ],
)
def test_what_is_no_media_has_no_type(head: bytes) -> None:
    assert sniff(head) is None


@settings(deadline=None, max_examples=400)
@given(
    st.one_of(
        st.binary(max_size=HEAD_BYTES),
        st.tuples(
            st.sampled_from(
                [b"\xff", b"RIFF", b"OggS", b"G", b"\x00\x00\x00\x18ftyp", b"\x1a\x45\xdf\xa3", b"ID", b"FLV"]
            ),
            st.binary(max_size=40),
        ).map(b"".join),
    )
)
def test_any_bytes_give_a_type_of_the_table_or_none(head: bytes) -> None:
    found = sniff(head)
    if found is not None:
        assert found.content_type.split("/")[0] in {"video", "audio", "image"}
        assert found.extension.isalnum()
        assert "svg" not in found.content_type


@settings(deadline=None)
@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=300))
def test_html_is_never_media_whatever_follows(text: str) -> None:
    assert sniff(f"<html>{text}".encode()) is None
