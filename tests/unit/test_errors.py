"""Every way to fail has one code, a sentence, and a hint."""

import importlib
import pkgutil
from collections import Counter

import pytest

import app
from app.core.errors import RequestError, TakeupError
from app.core.media_errors import MEDIA_ERRORS, Blame, MediaError, Policy

POLICIES = {
    Policy.RETRY: "fetch.connection fetch.timeout fetch.stalled fetch.truncated fetch.server_error fetch.proxy "
    "storage.unavailable worker.disk_full internal",
    Policy.FRESH: "fetch.expired fetch.source_changed",
    Policy.COOL: "fetch.rate_limited",
    Policy.ONCE: "extractor.outdated extractor.failed",
    Policy.USER: "link.invalid link.unsupported link.blocked_address link.not_found fetch.login_required "
    "content.private content.removed content.region content.age content.paid content.drm content.live "
    "content.too_large content.too_long content.empty media.not_media media.malformed media.unsafe "
    "storage.denied storage.no_bucket",
    Policy.NEVER: "worker.crashed",
}
BLAMED = {
    Blame.SITE: "fetch.connection fetch.stalled fetch.server_error fetch.rate_limited",
    Blame.BUCKET: "storage.unavailable storage.denied storage.no_bucket",
    Blame.PROXY: "fetch.proxy",
}
CODES = [(code, policy) for policy, codes in POLICIES.items() for code in codes.split()]


def family(root: type[TakeupError]) -> list[type[TakeupError]]:
    return [one for child in root.__subclasses__() for one in (child, *family(child))]


def with_code(root: type[TakeupError]) -> list[type[TakeupError]]:
    """The classes that stand for a code of their own."""
    return [one for one in family(root) if "code" in vars(one)]


@pytest.fixture(scope="module", autouse=True)
def _whole_tree() -> None:
    """Import every module, as an error may be declared anywhere."""
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


@pytest.mark.parametrize(("code", "policy"), CODES)
def test_code_exists_once_with_its_policy(code: str, policy: Policy) -> None:
    [error] = [one for one in with_code(MediaError) if one.code == code]
    assert MEDIA_ERRORS[code] is error
    assert MEDIA_ERRORS[code].policy is policy


@pytest.mark.parametrize("code", MEDIA_ERRORS)
def test_only_what_fails_for_every_link_is_held_against_site_bucket_or_proxy(code: str) -> None:
    blamed = {one: blame for blame, codes in BLAMED.items() for one in codes.split()}
    assert MEDIA_ERRORS[code].blame is blamed.get(code, Blame.NOBODY)


def test_there_is_no_code_beyond_the_list() -> None:
    # `canceled` is a state and no failure: nothing raises it.
    assert set(MEDIA_ERRORS) == {code for code, _ in CODES}


def test_no_two_errors_share_a_code() -> None:
    counts = Counter(one.code for one in with_code(TakeupError))
    assert {code: n for code, n in counts.items() if n > 1} == {}


def test_every_error_has_a_message_and_a_hint_that_are_sentences() -> None:
    assert len(with_code(RequestError)) > 10
    for error in with_code(TakeupError):
        for text in (error.message, error.hint):
            assert text[0].isupper() or text.startswith("yt-dlp"), error
            assert text.endswith("."), error
            assert text == text.strip(), error
        assert 400 <= error.status < 600, error
        assert error.code == "internal" or error.code.count(".") == 1, error


@pytest.mark.parametrize("error", MEDIA_ERRORS.values())
def test_failure_is_what_a_scene_keeps(error: type[MediaError]) -> None:
    plain, detailed = error().failure(), error("(HTTP 500)").failure()
    assert set(plain) == {"code", "message", "hint", "retryable"}
    assert (plain["code"], plain["message"], plain["hint"]) == (error.code, error.message, error.hint)
    assert detailed["message"] == f"{error.message} (HTTP 500)"
    assert plain["retryable"] is (error.policy not in {Policy.USER, Policy.NEVER})


def test_message_tells_no_address() -> None:
    blocked = MEDIA_ERRORS["link.blocked_address"].message
    assert not any(digit.isdigit() for digit in blocked)
