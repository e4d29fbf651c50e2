"""A bucket over TLS that refuses what R2 refuses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Begin
from tests.faults.sources import EXTRACTED, LARGE
from tests.faults.strict_s3 import StrictS3, make_certificate
from tests.servers import embedded_servers
from tests.stack import RunningStack, running_stack

ELSEWHERE = {"REDIS_URL": "redis://127.0.0.1:1/0", "MONGODB_URI": "mongodb://127.0.0.1:1/"}
"""So that the S3 alone is started."""


@pytest.fixture
def strict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[StrictS3, RunningStack]]:
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    with embedded_servers(tmp_path / "s3", ELSEWHERE) as environment:
        bucket = {name: value for name, value in environment.items() if name.startswith("S3_")}
        with (
            StrictS3(bucket["S3_ENDPOINT_URL"], certificate) as front,
            running_stack(tmp_path / "data", **{**bucket, "S3_ENDPOINT_URL": front.url}) as stack,
        ):
            yield front, stack


@pytest.mark.experiment(19, "a strict S3 over TLS", quick=2, long=10, unit="large files")
def test_strict_bucket_refuses_nothing_and_is_never_waited_for(
    strict: tuple[StrictS3, RunningStack], begin: Begin
) -> None:
    """Experiment 19."""
    front, stack = strict
    run = begin(stack)
    for number in range(run.rounds):
        run.store(LARGE, copy=number)
        run.store(LARGE, copy=number, chunked=1)
    for name in ("photo.jpg", EXTRACTED):
        run.store(name)
    figures = run.assert_holds()
    assert figures.ready == figures.accepted
    assert front.refused == []
    assert front.expectations == []
    assert sorted(map(len, front.parts.values())).count(3) == 2 * run.rounds
