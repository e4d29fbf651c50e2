"""Whether and when a failed attempt is followed by another."""

import random

from app.core.config import Settings
from app.core.media_errors import MediaError, Policy, RateLimitedError

_COOL_SECONDS = 60.0
_JITTER = 0.25


def may_retry(policy: Policy, attempt: int, max_attempts: int) -> bool:
    """Whether the policy allows another attempt after this one (counted from 1)."""
    if policy is Policy.ONCE:
        return attempt < min(2, max_attempts)
    return policy in {Policy.RETRY, Policy.FRESH, Policy.COOL} and attempt < max_attempts


def grown_delay(n: int, settings: Settings) -> float:
    """Seconds to wait after the n-th failure (counted from 1): base x 3^(n-1), up to the longest pause."""
    grown: float = settings.takeup_retry_base_seconds * 3.0 ** min(n - 1, 20)
    return min(grown, settings.takeup_retry_max_seconds)


def asked_delay(error: MediaError, settings: Settings) -> float:
    """Seconds that a site which asks for fewer requests is given; 0 for any other failure."""
    if error.policy is not Policy.COOL:
        return 0.0
    asked = error.retry_after_seconds if isinstance(error, RateLimitedError) else None
    return _COOL_SECONDS if asked is None else min(asked, settings.takeup_retry_max_seconds)


def retry_delay(error: MediaError, attempt: int, settings: Settings) -> float:
    """Seconds until the next attempt: grown, give or take a quarter; a site that asks for time gets all of it."""
    delay = max(grown_delay(attempt, settings), asked_delay(error, settings))
    return delay * (1 + random.uniform(0 if error.policy is Policy.COOL else -_JITTER, _JITTER))
