"""How many connections the whole fleet has to one host, in a real Redis, and without one."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

from app.core import host_limit
from app.core.host_limit import HostLimit
from tests.contract.conftest import NO_REDIS
from tests.servers import embedded_servers, wait_for

ELSEWHERE = {
    "MONGODB_URI": "mongodb://127.0.0.1:1/",
    "S3_ENDPOINT_URL": "http://127.0.0.1:1",
    "S3_ACCESS_KEY_ID": "key",
    "S3_SECRET_ACCESS_KEY": "secret",
}
"""So that the Redis alone is started."""


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with embedded_servers(tmp_path_factory.mktemp("redis"), ELSEWHERE) as environment:
        yield environment["REDIS_URL"]


@pytest.fixture
def host() -> str:
    return f"{uuid4()}.example:443"


def test_all_processes_share_the_places_of_a_host(redis_url: str, host: str) -> None:
    ours, theirs = HostLimit(redis_url, 3), HostLimit(redis_url, 3)
    with ours.places(host) as one, theirs.places(host) as other:
        assert one.take()
        assert not other.take()
        assert theirs.places("elsewhere.example").take()
    with theirs.places(host) as other:
        assert other.take()


def test_each_job_has_one_place_in_any_case(redis_url: str, host: str) -> None:
    limit = HostLimit(redis_url, 1)
    with limit.places(host) as one, limit.places(host) as other:
        assert not one.take()
        assert not other.take()


def test_places_of_a_killed_worker_run_out(redis_url: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_limit, "_LASTS_SECONDS", 1)
    HostLimit(redis_url, 2).places(host).__enter__().take()
    with HostLimit(redis_url, 2).places(host) as after:
        assert not after.take()
        wait_for(after.take, 5, "its places are free")


def test_places_that_are_kept_do_not_run_out(redis_url: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_limit, "_LASTS_SECONDS", 1)
    monkeypatch.setattr(host_limit, "_KEEP_SECONDS", 0.0)
    with Redis.from_url(redis_url) as client, HostLimit(redis_url, 9).places(host) as kept:

        def ends() -> Any:
            kept.keep()
            return client.zrange(f"takeup:host:{host}", 0, -1, withscores=True)

        first = ends()
        wait_for(lambda: ends()[0][1] > first[0][1], 5, "its place lasts longer")


def test_without_redis_each_process_counts_for_itself(host: str) -> None:
    limit = HostLimit(NO_REDIS, 2)
    with limit.places(host) as one:
        assert one.take()
        with limit.places(host) as other:
            assert not other.take()
        assert not one.take()
    with limit.places(host) as again:
        assert again.take()
