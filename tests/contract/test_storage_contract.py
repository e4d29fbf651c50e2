"""The bucket, by every operation that Takeup asks of it, against the S3 that is in use."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from random import Random

import httpx2
import pytest

from app.core.config import MIB, Settings
from app.core.media_errors import NoBucketError, StorageDeniedError, StorageUnavailableError
from app.embedded.ports import free_port
from app.services.storage import keys, multipart
from app.services.storage.bucket import Bucket, ObjectExistsError, StoredObject, UploadGoneError, open_bucket
from app.services.storage.multipart import (
    PARALLEL_PARTS,
    PART_BYTES,
    Target,
    Upload,
    Watcher,
    part_size_for,
    store_stream,
)
from tests.contract.conftest import Place

CHUNK = 256 * 1024
NOISE = Random("takeup").randbytes(MIB)

AT_MOST = 1 << 30  # bytes: what a stream of unknown length is given


class StoppedError(Exception):
    """What a test's source or watcher raises."""


class Notes(Watcher):
    """Notes what it is told, and raises at the moment named `fail`."""

    def __init__(self, fail: str = "") -> None:
        self.fail = fail
        self.fetched_bytes = 0
        self.parts: list[int] = []
        self.uploads: list[Upload] = []

    def fetched(self, count: int) -> None:
        self.fetched_bytes += count

    def stored(self, count: int) -> None:
        self.parts.append(count)
        self._maybe_fail("stored")

    def upload_made(self, upload: Upload) -> None:
        self.uploads.append(upload)
        self._maybe_fail("upload_made")

    def before_commit(self) -> None:
        self._maybe_fail("before_commit")

    def _maybe_fail(self, moment: str) -> None:
        if self.fail == moment:
            raise StoppedError


def chunks_of(length: int) -> Iterator[bytes]:
    """So many bytes of noise, no two parts of which are alike."""
    for start in range(0, length, CHUNK):
        shift = start // CHUNK
        yield (NOISE[shift:] + NOISE[:shift])[: min(CHUNK, length - start)]


def digest_of(bucket: Bucket, key: str) -> str:
    digest = sha256()
    for piece in bucket.stream(key):
        digest.update(piece)
    return digest.hexdigest()


def is_untouched(bucket: Bucket, place: Place) -> bool:
    return not list(bucket.keys(place.prefix)) and not list(bucket.open_uploads(place.prefix))


def target_of(bucket: Bucket, place: Place) -> Target:
    return Target(bucket, place.key(1), "video/mp4")


def test_second_conditional_put_finds_the_key_taken(bucket: Bucket, place: Place) -> None:
    etag = bucket.put(place.key(1), b"first", "video/mp4")
    with pytest.raises(ObjectExistsError):
        bucket.put(place.key(1), b"second", "video/mp4")
    assert bucket.head(place.key(1)) == StoredObject(place.key(1), 5, etag, "video/mp4")
    bucket.put(place.key(1), b"another", "video/webm", only_new=False)
    assert bucket.read(place.key(1), 0, 100) == b"another"


@pytest.mark.parametrize(
    ("length", "known", "multipart"),
    [
        (0, True, False),
        (1, False, False),
        (PART_BYTES - 1, True, False),
        (PART_BYTES, True, True),
        (PART_BYTES + 1, False, True),
        (3 * PART_BYTES + 12345, False, True),
        (5 * PART_BYTES, True, True),
    ],
)
def test_stream_is_stored_byte_for_byte(
    bucket: Bucket, place: Place, length: int, known: bool, multipart: bool
) -> None:
    watcher = Notes()
    stored = store_stream(target_of(bucket, place), chunks_of(length), length if known else AT_MOST, watcher)
    expected = sha256(b"".join(chunks_of(length))).hexdigest()
    assert (stored.bytes, stored.sha256) == (length, expected)
    head = bucket.head(place.key(1))
    assert head == StoredObject(place.key(1), length, stored.etag, "video/mp4")
    assert digest_of(bucket, place.key(1)) == expected
    assert (watcher.fetched_bytes, sum(watcher.parts), len(watcher.uploads)) == (length, length, int(multipart))
    assert not list(bucket.open_uploads(place.prefix))


def test_chunks_of_any_size_make_the_same_object(bucket: Bucket, place: Place) -> None:
    body = b"".join(chunks_of(2 * PART_BYTES + 5 * MIB))
    pieces = iter([body[:10], body[10 : PART_BYTES + 10], body[PART_BYTES + 10 :]])
    stored = store_stream(target_of(bucket, place), pieces, AT_MOST, Notes())
    assert stored.sha256 == digest_of(bucket, place.key(1)) == sha256(body).hexdigest()


def test_one_chunk_of_many_parts_is_cut_into_equal_parts(bucket: Bucket, place: Place) -> None:
    body = b"".join(chunks_of(2 * PART_BYTES + 5))
    watcher = Notes()
    stored = store_stream(target_of(bucket, place), iter([body, b"end"]), AT_MOST, watcher)
    assert sorted(watcher.parts) == [8, PART_BYTES, PART_BYTES]
    assert stored.sha256 == digest_of(bucket, place.key(1)) == sha256(body + b"end").hexdigest()


@pytest.mark.parametrize("after", [0, 1000, PART_BYTES + 1000, 2 * PART_BYTES])
def test_source_that_breaks_off_leaves_nothing(bucket: Bucket, place: Place, after: int) -> None:
    def breaking() -> Iterator[bytes]:
        yield from chunks_of(after)
        raise StoppedError

    with pytest.raises(StoppedError):
        store_stream(target_of(bucket, place), breaking(), AT_MOST, Notes())
    assert is_untouched(bucket, place)


@pytest.mark.parametrize("moment", ["upload_made", "stored", "before_commit"])
def test_watcher_that_stops_the_transfer_leaves_nothing(bucket: Bucket, place: Place, moment: str) -> None:
    with pytest.raises(StoppedError):
        store_stream(target_of(bucket, place), chunks_of(5 * PART_BYTES), AT_MOST, Notes(moment))
    assert is_untouched(bucket, place)


def test_watcher_that_stops_a_small_object_leaves_nothing(bucket: Bucket, place: Place) -> None:
    with pytest.raises(StoppedError):
        store_stream(target_of(bucket, place), chunks_of(1000), AT_MOST, Notes("before_commit"))
    assert is_untouched(bucket, place)


@pytest.mark.parametrize("length", [1000, 2 * PART_BYTES])
def test_taken_key_is_refused_and_keeps_its_object(bucket: Bucket, place: Place, length: int) -> None:
    bucket.put(place.key(1), b"first", "video/mp4")
    with pytest.raises(ObjectExistsError):
        store_stream(target_of(bucket, place), chunks_of(length), length, Notes())
    assert bucket.read(place.key(1), 0, 100) == b"first"
    assert not list(bucket.open_uploads(place.prefix))


def test_upload_that_was_aborted_behind_our_back_is_for_another_attempt(bucket: Bucket, place: Place) -> None:
    class Saboteur(Notes):
        def upload_made(self, upload: Upload) -> None:
            bucket.abort_upload(upload.key, upload.upload_id)

    with pytest.raises(StorageUnavailableError) as caught:
        store_stream(target_of(bucket, place), chunks_of(2 * PART_BYTES), AT_MOST, Saboteur())
    assert isinstance(caught.value, UploadGoneError)
    assert is_untouched(bucket, place)


def test_parts_in_memory_are_few(bucket: Bucket, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    part_bytes = 5 * MIB  # the smallest that S3 takes
    monkeypatch.setattr(multipart, "PART_BYTES", part_bytes)
    watcher = Notes()
    held: list[int] = []

    def counting() -> Iterator[bytes]:
        for chunk in chunks_of(8 * part_bytes):
            held.append(watcher.fetched_bytes + len(chunk) - sum(watcher.parts))
            yield chunk

    store_stream(target_of(bucket, place), counting(), AT_MOST, watcher)
    assert len(held) == 8 * part_bytes // CHUNK
    assert part_bytes < max(held) <= PARALLEL_PARTS * part_bytes


@pytest.mark.parametrize(
    ("length", "size"),
    [(0, 8), (10 * MIB, 8), (80_000 * MIB, 8), (80_001 * MIB, 9), (5 * 1024 * 1024 * MIB, 525)],
)
def test_part_size_lets_ten_thousand_parts_hold_the_object(length: int, size: int) -> None:
    assert part_size_for(length) == size * MIB
    assert length <= 10_000 * part_size_for(length)


def test_more_keys_than_one_page_are_listed_and_deleted(bucket: Bucket, place: Place) -> None:
    names = [place.key(1, f"{n:04}") for n in range(1005)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: bucket.put(key, b"x", "image/webp"), names))
    assert list(bucket.keys(place.prefix)) == names
    assert list(bucket.keys(place.key(1, "100"))) == names[1000:]
    bucket.delete([*names, place.key(1, "never-was")])
    assert list(bucket.keys(place.prefix)) == []
    bucket.delete([])


def test_open_upload_is_listed_until_it_is_aborted_and_aborting_twice_is_harmless(bucket: Bucket, place: Place) -> None:
    made = [bucket.client.create_multipart_upload(Bucket=bucket.name, Key=place.key(n))["UploadId"] for n in (1, 2)]
    found = {upload.key: upload for upload in bucket.open_uploads(place.prefix)}
    assert {key: upload.upload_id for key, upload in found.items()} == {
        place.key(n): upload_id for n, upload_id in zip((1, 2), made, strict=True)
    }
    assert found[place.key(1)].initiated.utcoffset() is not None
    assert keys.scene_of(place.key(1)) == place.scene_id
    for _ in range(2):
        bucket.abort_upload(place.key(1), made[0])
    assert [upload.key for upload in bucket.open_uploads(place.prefix)] == [place.key(2)]


def test_ranges_are_read_exactly(bucket: Bucket, place: Place) -> None:
    bucket.put(place.key(1), NOISE[:10_000], "video/mp4")
    for offset, length in ((0, 1), (0, 10_000), (4000, 1000), (9999, 1), (9000, 5000)):
        assert bucket.read(place.key(1), offset, length) == NOISE[offset : min(offset + length, 10_000)]
    assert b"".join(bucket.stream(place.key(1), 999)) == NOISE[:10_000]


def test_nothing_is_stored_under_a_free_key(bucket: Bucket, place: Place) -> None:
    assert bucket.head(place.key(1)) is None
    with pytest.raises(StorageUnavailableError):
        bucket.read(place.key(1), 0, 1)


def test_presigned_address_serves_under_the_given_headers(bucket: Bucket, place: Place) -> None:
    bucket.put(place.key(1), NOISE[:5000], "video/mp4")
    disposition = "attachment; filename*=UTF-8''b%C3%A9.webm"
    address = bucket.presigned_url(place.key(1), "video/webm", disposition, 60)
    with httpx2.Client(trust_env=False, timeout=10) as client:
        answer = client.get(address)
        assert (answer.status_code, answer.content) == (200, NOISE[:5000])
        assert answer.headers["content-type"] == "video/webm"
        assert answer.headers["content-disposition"] == disposition
        part = client.get(address, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, NOISE[10:20])
        assert client.get(address.partition("?")[0]).status_code in {401, 403}
        assert client.get(address.replace("webm", "html")).status_code == 403


@contextmanager
def opened(settings: Settings, **changes: object) -> Iterator[Bucket]:
    bucket = open_bucket(Settings.model_validate({**settings.model_dump(), **changes}))
    try:
        yield bucket
    finally:
        bucket.client.close()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"s3_secret_access_key": "wrong"}, StorageDeniedError),
        ({"s3_access_key_id": "nobody"}, StorageDeniedError),
        ({"s3_bucket": "takeup-is-not-here"}, NoBucketError),
        ({"s3_endpoint_url": "nobody listens"}, StorageUnavailableError),
    ],
)
def test_bucket_that_cannot_be_used_has_its_code(
    settings: Settings, place: Place, changes: dict[str, str], error: type[Exception]
) -> None:
    if "s3_endpoint_url" in changes:
        changes = {"s3_endpoint_url": f"http://127.0.0.1:{free_port()}"}
    with opened(settings, **changes) as bucket:
        target = target_of(bucket, place)
        for act in (
            bucket.check,
            lambda: bucket.put(place.key(1), b"x", "video/mp4"),
            lambda: bucket.read(place.key(1), 0, 1),
            lambda: list(bucket.keys(place.prefix)),
            lambda: store_stream(target, chunks_of(PART_BYTES), AT_MOST, Notes()),
        ):
            with pytest.raises(error) as caught:
                act()
            assert type(caught.value) is error
