"""Whether and when a failed attempt is followed by another."""

import pytest

from app.core.config import Settings
from app.core.media_errors import (
    MEDIA_ERRORS,
    ConnectionFailedError,
    ExpiredAddressError,
    MediaError,
    Policy,
    RateLimitedError,
)
from app.services.retry import asked_delay, grown_delay, may_retry, retry_delay
from tests.servers import settings_of

REQUIRED = {
    "mongodb_uri": "mongodb://127.0.0.1/",
    "redis_url": "redis://127.0.0.1/0",
    "s3_endpoint_url": "http://127.0.0.1:9000",
    "s3_access_key_id": "key",
    "s3_secret_access_key": "secret",
}
MANY = range(200)


@pytest.fixture
def settings() -> Settings:
    return settings_of(REQUIRED, takeup_retry_base_seconds=5, takeup_retry_max_seconds=900)


@pytest.mark.parametrize(
    ("policy", "attempts"),
    [
        (Policy.RETRY, [1, 2, 3, 4]),
        (Policy.FRESH, [1, 2, 3, 4]),
        (Policy.COOL, [1, 2, 3, 4]),
        (Policy.ONCE, [1]),
        (Policy.USER, []),
        (Policy.NEVER, []),
    ],
)
def test_policy_decides_after_which_attempts_there_is_another(policy: Policy, attempts: list[int]) -> None:
    assert [n for n in range(1, 8) if may_retry(policy, n, 5)] == attempts


@pytest.mark.parametrize("policy", list(Policy))
def test_single_attempt_is_the_last(policy: Policy) -> None:
    assert not may_retry(policy, 1, 1)


@pytest.mark.parametrize("error", MEDIA_ERRORS.values())
def test_failure_that_is_called_retryable_is_tried_again(error: type[MediaError]) -> None:
    assert error().failure()["retryable"] is may_retry(error.policy, 1, 5)


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 5), (2, 15), (3, 45), (4, 135), (5, 405), (6, 900), (20, 900)])
@pytest.mark.parametrize("error", [ConnectionFailedError(), ExpiredAddressError()])
def test_wait_triples_up_to_the_cap_give_or_take_a_quarter(
    settings: Settings, error: MediaError, attempt: int, seconds: float
) -> None:
    waits = [retry_delay(error, attempt, settings) for _ in MANY]
    assert 0.75 * seconds <= min(waits) < max(waits) <= 1.25 * seconds
    assert max(waits) - min(waits) > 0.2 * seconds


@pytest.mark.parametrize(
    ("asked", "attempt", "at_least"),
    [(None, 1, 60), (0, 1, 5), (7, 1, 7), (120, 1, 120), (120, 4, 135), (None, 4, 135), (10**9, 1, 900), (900, 9, 900)],
)
def test_host_that_asks_for_time_gets_it_within_the_cap(
    settings: Settings, asked: float | None, attempt: int, at_least: float
) -> None:
    waits = [retry_delay(RateLimitedError(retry_after_seconds=asked), attempt, settings) for _ in MANY]
    assert at_least <= min(waits)
    assert max(waits) <= 1.25 * at_least


def test_site_found_busy_by_an_extractor_is_left_alone_for_a_minute(settings: Settings) -> None:
    # The child tells a code and a detail, and no time.
    assert retry_delay(MEDIA_ERRORS["fetch.rate_limited"]("(HTTP 429)"), 1, settings) >= 60


def test_only_a_site_that_asks_for_time_is_given_it(settings: Settings) -> None:
    for error in MEDIA_ERRORS.values():
        assert asked_delay(error(), settings) == (60 if error.policy is Policy.COOL else 0)
    assert asked_delay(RateLimitedError(retry_after_seconds=7), settings) == 7


def test_grown_wait_has_no_chance_in_it_and_no_end_above_the_cap(settings: Settings) -> None:
    assert [grown_delay(n, settings) for n in (1, 2, 3, 6, 10_000)] == [5, 15, 45, 900, 900]
