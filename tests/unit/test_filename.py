"""The name a person sees, whatever a stranger sends."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services.fetch.filename import clean_filename, display_filename

MAX_LENGTH = 150
BIDI = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c"
hostile = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from('/\\."\r\n\0 ' + BIDI + "e\u0301")), max_size=400
)
header_text = st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=60)


def assert_fit_for_display(name: str, extension: str) -> None:
    assert name.endswith(f".{extension}")
    assert len(name) > len(extension) + 1
    assert not set(name) & {"/", "\\", '"', "\r", "\n", "\0", *BIDI}
    assert not [c for c in name if unicodedata.category(c) in {"Cc", "Cf", "Cs"}]
    assert not name.startswith((".", " "))


@settings(deadline=None)
@given(hostile, st.sampled_from(["mp4", "webm", "ts"]))
def test_any_name_is_made_fit_for_display(name: str, extension: str) -> None:
    assert_fit_for_display(clean_filename(name, extension), extension)


@settings(deadline=None)
@given(st.text("ab. ", min_size=MAX_LENGTH - 8, max_size=MAX_LENGTH + 8), st.sampled_from(["mp4", "webm"]))
def test_name_has_at_most_150_characters_and_no_blank_before_its_extension(name: str, extension: str) -> None:
    cleaned = clean_filename(name, extension)
    assert len(cleaned) <= MAX_LENGTH
    assert not cleaned.removesuffix(f".{extension}").endswith((" ", "."))


@settings(deadline=None)
@given(st.text(st.sampled_from("aeo\u0301\u0308\u200d\u202e"), max_size=12))
def test_name_is_normalised(name: str) -> None:
    cleaned = clean_filename(name, "mp4")
    assert cleaned == unicodedata.normalize("NFC", cleaned)


@settings(deadline=None)
@given(header_text)
def test_any_content_disposition_gives_a_name(text: str) -> None:
    assert_fit_for_display(display_filename("https://example.com/clip.mp4", text, "mp4"), "mp4")


@settings(deadline=None)
@given(header_text, st.sampled_from(['filename="', "filename=", "filename*=UTF-8''", "filename*0*=", "filename*1="]))
def test_any_file_name_parameter_gives_a_name(text: str, parameter: str) -> None:
    disposition = f"attachment; {parameter}{text}"
    assert_fit_for_display(display_filename("https://example.com/clip.mp4", disposition, "mp4"), "mp4")


@pytest.mark.parametrize(
    "charset", ["utf-8", "latin-1", "nonsense", "idna", "punycode", "undefined", "hex", "a\0b", ""]
)
def test_any_charset_gives_a_name(charset: str) -> None:
    disposition = f"attachment; filename*={charset}''clip%ff.mp4"
    assert_fit_for_display(display_filename("https://example.com/a.mp4", disposition, "mp4"), "mp4")


@pytest.mark.parametrize(
    ("url", "disposition", "shown"),
    [
        ("https://example.com/harbour.mp4", None, "harbour.mp4"),
        ("https://example.com/harbour.MP4?x=1#y", None, "harbour.mp4"),
        ("https://example.com/harbour", None, "harbour.mp4"),
        ("https://example.com/harbour.webm", None, "harbour.webm.mp4"),
        ("https://example.com/", None, "media.mp4"),
        ("https://example.com", None, "media.mp4"),
        ("https://example.com/%2e%2e/%2e%2e", None, "media.mp4"),
        ("https://example.com/a%2Fb%5Cc.mp4", None, "c.mp4"),
        ("https://example.com/%E6%B8%AF.mp4", None, "\u6e2f.mp4"),
        ("https://example.com/gpj%E2%80%AE4pm.exe", None, "gpj4pm.exe.mp4"),
        ("https://example.com/a%0d%0ab%00.mp4", None, "ab.mp4"),
        ("https://example.com/cafe%CC%81.mp4", None, "caf\u00e9.mp4"),
        ("https://example.com/x", 'attachment; filename="boats.mp4"', "boats.mp4"),
        ("https://example.com/x", "inline; filename=\"a.mp4\"; filename*=UTF-8''b%C3%A9.mp4", "b\u00e9.mp4"),
        ("https://example.com/x", 'attachment; filename="../../etc/passwd"', "passwd.mp4"),
        ("https://example.com/x", 'attachment; filename="C:\\\\boot.ini"', "boot.ini.mp4"),
        ("https://example.com/x.mp4", "attachment", "x.mp4"),
        ("https://example.com/x.mp4", 'attachment; filename=""', "x.mp4"),
    ],
)
def test_name_comes_from_the_header_else_from_the_link(url: str, disposition: str | None, shown: str) -> None:
    assert display_filename(url, disposition, "mp4") == shown
