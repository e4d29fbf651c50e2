"""How many connections the whole fleet has to one host, counted in Redis, so that no site is overrun by all workers.

A place runs out by itself, so that a killed worker frees what it had. While Redis does not answer, each process counts
for itself alone.
"""

import time
from collections import Counter
from functools import cache
from logging import getLogger
from threading import Lock
from typing import Self
from uuid import uuid4

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

_KEY = "takeup:host:"
_ANSWER_SECONDS = 0.3
_LASTS_SECONDS = 30
_KEEP_SECONDS = 10.0
_SILENCE_SECONDS = 10.0
"""How long Redis is not asked again after it failed to answer."""

# By Redis's own clock: the workers' may differ. `most` of -1 takes a place in any case.
_TAKE = """
local now = tonumber(redis.call('TIME')[1])
local most, lasts = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
for i = 3, #ARGV do
  if most >= 0 and redis.call('ZCARD', KEYS[1]) >= most then return 0 end
  redis.call('ZADD', KEYS[1], now + lasts, ARGV[i])
end
redis.call('EXPIRE', KEYS[1], 2 * lasts)
return 1
"""

log = getLogger(__name__)


class HostLimit:
    """Grants at most `most` places per host, by the count of all who share the Redis; any thread may ask."""

    def __init__(self, redis_url: str, most: int) -> None:
        self.most = most
        self._redis = Redis.from_url(
            redis_url,
            socket_connect_timeout=_ANSWER_SECONDS,
            socket_timeout=_ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 1),
        )
        self._take = self._redis.register_script(_TAKE)
        self._here: Counter[str] = Counter()
        self._silent_until = 0.0
        self._lock = Lock()

    def places(self, host: str) -> "HostPlaces":
        """One job's places at a host; it has the first in any case."""
        return HostPlaces(self, host)

    def take(self, host: str, names: list[str], *, anyway: bool = False) -> bool:
        """Take places by these names, or have them last longer."""
        if time.monotonic() > self._silent_until:
            try:
                return bool(self._take([_KEY + host], [-1 if anyway else self.most, _LASTS_SECONDS, *names]))
            except (RedisError, OSError) as error:
                self._fell_silent(error)
        return anyway or self._here[host] < self.most

    def give_back(self, host: str, names: list[str]) -> None:
        if time.monotonic() > self._silent_until:
            try:
                self._redis.zrem(_KEY + host, *names)
            except (RedisError, OSError) as error:
                self._fell_silent(error)

    def count(self, host: str, places: int) -> None:
        """So many places more (or fewer) are this process's own."""
        with self._lock:
            self._here[host] += places

    def _fell_silent(self, error: Exception) -> None:
        log.info("connections are counted for this process alone: %s", error)
        self._silent_until = time.monotonic() + _SILENCE_SECONDS


class HostPlaces:
    """The places of one job, as a context that gives all of them back."""

    def __init__(self, limit: HostLimit, host: str) -> None:
        self._limit = limit
        self._host = host
        self._names: list[str] = []
        self._kept_at = time.monotonic()

    def __enter__(self) -> Self:
        self.take(anyway=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._limit.count(self._host, -len(self._names))
        self._limit.give_back(self._host, self._names)

    def take(self, *, anyway: bool = False) -> bool:
        """Take one more, if the host has one left."""
        name = str(uuid4())
        if not self._limit.take(self._host, [name], anyway=anyway):
            return False
        self._limit.count(self._host, 1)
        self._names.append(name)
        return True

    def keep(self) -> None:
        """Have them last; to be called now and then."""
        if time.monotonic() - self._kept_at > _KEEP_SECONDS:
            self._kept_at = time.monotonic()
            self._limit.take(self._host, self._names, anyway=True)


@cache
def host_limit(redis_url: str, most: int) -> HostLimit:
    """The process's own, made at its first use and so after the fork."""
    return HostLimit(redis_url, most)
