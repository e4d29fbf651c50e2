"""The built front end, as a browser gets it."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api.middleware import HeadersMiddleware
from app.api.web import serve_front_end
from app.core.config import origin_of

PAGE = {"Accept": "text/html"}


@pytest.fixture
def browser(tmp_path: Path) -> TestClient:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<title>Takeup</title>")
    (tmp_path / "assets" / "index-1a2b.js").write_text("plain")
    (tmp_path / "assets" / "index-1a2b.js.br").write_bytes(b"small")
    app = FastAPI()
    app.add_middleware(HeadersMiddleware, media_origin="https://bucket.example.com")
    assert serve_front_end(app, tmp_path)
    return TestClient(app)


@pytest.mark.parametrize("path", ["/", "/projects/some-id", "/projects/some-id/scenes/another", "/nowhere"])
def test_every_address_of_a_person_is_the_page_and_asked_for_again(browser: TestClient, path: str) -> None:
    answer = browser.get(path, headers=PAGE)
    assert (answer.status_code, answer.text) == (200, "<title>Takeup</title>")
    assert answer.headers["cache-control"] == "no-cache"


def test_program_that_asks_for_nothing_known_gets_no_page(browser: TestClient) -> None:
    assert browser.get("/nowhere", headers={"Accept": "application/json"}).status_code == 404


def test_hashed_file_is_kept_for_good(browser: TestClient) -> None:
    answer = browser.get("/assets/index-1a2b.js", headers={"Accept-Encoding": "identity"})
    assert answer.text == "plain"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "content-encoding" not in answer.headers


def test_browser_that_takes_it_gets_the_compressed_file_under_its_own_type(browser: TestClient) -> None:
    with browser.stream("GET", "/assets/index-1a2b.js", headers={"Accept-Encoding": "gzip, br"}) as answer:
        assert b"".join(answer.iter_raw()) == b"small"
    assert answer.headers["content-encoding"] == "br"
    assert answer.headers["content-type"].startswith("text/javascript")


def test_page_runs_its_own_scripts_alone_and_shows_media_of_the_bucket(browser: TestClient) -> None:
    policy = browser.get("/", headers=PAGE).headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "media-src 'self' https://bucket.example.com" in policy
    assert "frame-ancestors 'none'" in policy


def test_what_was_not_built_is_not_served(tmp_path: Path) -> None:
    assert not serve_front_end(FastAPI(), tmp_path)


def test_origin_has_no_path_and_no_password() -> None:
    assert origin_of("https://me:secret@bucket.example.com:9000/path") == "https://bucket.example.com:9000"
