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


def retry_delay(error: MediaError, attempt: int, settings: Settings) -> float:
    """Seconds to wait: base x 3^n up to the cap, give or take a quarter; a host that asks for time gets it."""
    delay = min(settings.takeup_retry_base_seconds * 3 ** (attempt - 1), settings.takeup_retry_max_seconds)
    if error.policy is Policy.COOL:
        asked = error.retry_after_seconds if isinstance(error, RateLimitedError) else None
        delay = max(delay, _COOL_SECONDS if asked is None else min(asked, settings.takeup_retry_max_seconds))
    return float(delay) * (1 + random.uniform(0 if error.policy is Policy.COOL else -_JITTER, _JITTER))
