"""The first look at a set-up, and which pages' scripts may read from the bucket."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from app.core.celery_app import make_celery
from app.core.config import Settings
from app.core.media_errors import StorageDeniedError
from app.services.storage import cors, keys
from app.services.storage.bucket import Bucket, open_bucket
from app.tasks.checks import SETUP_CHECKS, Servers
from app.tasks.setup import SetupLooks
from tests.contract.conftest import Place

ORIGINS = ["https://takeup.example", "http://127.0.0.1:8000"]


@pytest.fixture
def servers(settings: Settings) -> Iterator[Servers]:
    """A database and a bucket that are well, and a broker that is not there."""
    bucket, celery = open_bucket(settings), make_celery(lambda: settings)
    yield Servers(settings, bucket, celery)
    bucket.client.close()
    celery.close()


@pytest.mark.anyio
async def test_a_look_tells_what_is_well_and_how_to_mend_the_rest(servers: Servers) -> None:
    looks = SetupLooks(servers)
    look = await looks.look()
    assert [finding.name for finding in look.findings] == list(SETUP_CHECKS)
    ill = {finding.name: finding for finding in look.findings if not finding.ok}
    assert ill.keys() == {"broker", "workers"}
    assert "REDIS_URL" in ill["broker"].remedy
    told = " ".join(finding.seen + finding.remedy for finding in look.findings)
    assert "127.0.0.1" not in told
    await looks.close()


@pytest.mark.anyio
async def test_a_browser_can_load_the_picture_until_it_is_removed(servers: Servers, shared_bucket: Bucket) -> None:
    looks = SetupLooks(servers)
    url = (await looks.look()).picture_url
    assert url is not None
    answer = httpx2.get(url)
    assert (answer.status_code, answer.headers["content-type"], answer.content[:4]) == (200, "image/png", b"\x89PNG")
    assert not keys.PICTURE_KEY.startswith(keys.ROOT)  # which is all that the audit and the sweeps look at
    await looks.close()
    assert shared_bucket.head(keys.PICTURE_KEY) is None


@pytest.mark.anyio
async def test_however_many_ask_one_look_is_taken_in_three_seconds(servers: Servers) -> None:
    looks = SetupLooks(servers)
    first, *others = await asyncio.gather(*(looks.look() for _ in range(5)))
    assert all(other is first for other in others)
    await asyncio.sleep(3.1)
    assert await looks.look() is not first
    await looks.close()


@pytest.mark.anyio
async def test_a_bucket_that_refuses_is_told_as_such_and_has_no_picture(settings: Settings) -> None:
    refused = open_bucket(settings.model_copy(update={"s3_access_key_id": "nobody"}))
    looks = SetupLooks(Servers(settings, refused, make_celery(lambda: settings)))
    look = await looks.look()
    [bucket] = [finding for finding in look.findings if finding.name == "bucket"]
    assert (bucket.ok, bucket.seen, bucket.remedy) == (False, StorageDeniedError.message, StorageDeniedError.hint)
    assert look.picture_url is None
    await looks.close()
    refused.client.close()


@pytest.fixture
def without_rules(bucket: Bucket) -> Iterator[Bucket]:
    bucket.client.delete_bucket_cors(Bucket=bucket.name)
    yield bucket
    bucket.client.delete_bucket_cors(Bucket=bucket.name)


def rules_of(bucket: Bucket) -> list[Any]:
    return list(bucket.client.get_bucket_cors(Bucket=bucket.name)["CORSRules"])


def test_a_page_of_ours_reads_ranges_of_what_is_stored_and_another_does_not(
    without_rules: Bucket, place: Place
) -> None:
    bucket, key = without_rules, place.key(1)
    assert cors.allowed_origins(bucket) == []
    cors.allow_origins(bucket, ORIGINS)
    assert cors.allowed_origins(bucket) == sorted(ORIGINS)
    bucket.put(key, bytes(range(100)), "video/mp4")
    url = bucket.presigned_url(key, "video/mp4", "inline", 60)
    for origin in ORIGINS:
        part = httpx2.get(url, headers={"Origin": origin, "Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
        assert part.headers["content-range"] == "bytes 10-19/100"
        assert part.headers["access-control-allow-origin"] == origin
        exposed = {name.strip().lower() for name in part.headers["access-control-expose-headers"].split(",")}
        assert exposed >= {"content-range", "content-length", "etag"}
    foreign = httpx2.get(url, headers={"Origin": "https://evil.example", "Range": "bytes=10-19"})
    assert foreign.headers.get("access-control-allow-origin") not in {"*", "https://evil.example"}


def test_the_rules_of_others_stay_and_ours_is_there_once(without_rules: Bucket) -> None:
    bucket = without_rules
    theirs = {"ID": "theirs", "AllowedOrigins": ["https://other.example"], "AllowedMethods": ["GET"]}
    bucket.client.put_bucket_cors(Bucket=bucket.name, CORSConfiguration={"CORSRules": [theirs]})  # type: ignore[list-item]
    cors.allow_origins(bucket, ["http://127.0.0.1:1"])
    cors.allow_origins(bucket, ORIGINS)
    cors.allow_origins(bucket, ORIGINS)
    assert [rule["ID"] for rule in rules_of(bucket)] == ["theirs", "takeup"]
    assert cors.allowed_origins(bucket) == sorted([*ORIGINS, "https://other.example"])
