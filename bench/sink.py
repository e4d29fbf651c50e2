"""One direct file of 1 GiB from a local origin into a sink behind TLS: an S3 that throws away what it gets.

    python -m bench.sink [--mib 1024] [--rounds 3]

Takeup's engine (open the link, fetch in parts, checksum, send) is timed inside a fresh process whose imports are done,
rclone as a whole process. The sink compares the checksums of small bodies alone, as a bucket is asked for once.
"""

import argparse
import json
import multiprocessing
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from zlib import crc32

from app.core.process import die_with_parent
from app.demo.origin import Origin
from app.demo.samples import make_samples
from bench.peers import RCLONE, Cost, rclone_remote, run
from bench.takeup import pad_clip
from tests.faults.strict_s3 import make_certificate

_SMALL_BYTES = 1024
_PROCESSES = 2
_ENGINE = """
import json, sys, time
from app.core.config import Settings
from app.core.host_limit import HostLimit
from app.services.fetch.direct import open_direct
from app.services.fetch.exchange import Limits
from app.services.fetch.guard import Guard
from app.services.storage.bucket import open_bucket
from app.services.storage.multipart import Target, Watcher
from app.services.transfer import Connections, store_ranged
link, endpoint = sys.argv[1:]
settings = Settings(s3_endpoint_url=endpoint, s3_access_key_id="bench", s3_secret_access_key="bench-secret",
                    s3_bucket="bench", mongodb_uri="mongodb://127.0.0.1:1", redis_url="redis://127.0.0.1:1/0")
bucket = open_bucket(settings)
began, cpu = time.perf_counter(), time.process_time()
source = open_direct(link, Guard.of(["127.0.0.1/32"]), Limits(1 << 40, 600, 30))
store_ranged(Target(bucket, "original.mp4", "video/mp4"), source.ranged, Watcher(),
             Connections(4, HostLimit(settings.redis_url, 16)))
wall, cpu = time.perf_counter() - began, time.process_time() - cpu
[peak] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps([wall, cpu, int(peak) / 1024]))
"""


class _Sink(BaseHTTPRequestHandler):
    """Answers what an upload asks of an S3."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def do_PUT(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        room, left, sum_ = memoryview(bytearray(1 << 18)), length, 0
        while left:
            got = self.rfile.readinto(room[: min(left, len(room))])
            if not got:
                return
            left -= got
            sum_ = crc32(room[:got]) if length < _SMALL_BYTES else 0
        named = self.headers.get("x-amz-checksum-crc32")
        if named and length < _SMALL_BYTES and named != b64encode(sum_.to_bytes(4, "big")).decode():
            self._answer(400, "<Error><Code>BadDigest</Code></Error>")
        else:
            self._answer(200)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        creates = "uploadId=" not in self.path
        name = "InitiateMultipartUploadResult" if creates else "CompleteMultipartUploadResult"
        made = "<UploadId>1</UploadId>" if creates else "<ETag>&quot;1&quot;</ETag>"
        self._answer(200, f"<{name}><Bucket>bench</Bucket><Key>k</Key>{made}</{name}>")

    def do_HEAD(self) -> None:
        self._answer(404)

    do_GET = do_DELETE = do_HEAD  # noqa: N815 - the base class looks for these names

    def _answer(self, status: int, text: str = "") -> None:
        self.send_response(status)
        self.send_header("ETag", '"00000000000000000000000000000001"')
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text.encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer looks its own name up


@contextmanager
def sink(certificate: Path) -> Iterator[str]:
    """The endpoint's address; a few processes accept from one socket."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = _Server(("127.0.0.1", 0), _Sink)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=_serve, args=(server, os.getpid()), daemon=True) for _ in range(_PROCESSES)]
    for process in processes:
        process.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        for process in processes:
            process.terminate()
            process.join()
        server.server_close()


def _serve(server: _Server, parent: int) -> None:
    die_with_parent(parent)
    server.serve_forever()


def run_engine(link: str, endpoint: str, certificate: Path) -> Cost:
    environment = {**os.environ, "AWS_CA_BUNDLE": str(certificate)}
    done = subprocess.run(
        [sys.executable, "-c", _ENGINE, link, endpoint], env=environment, stdout=subprocess.PIPE, check=True
    )
    return Cost(*json.loads(done.stdout))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--mib", type=int, default=1024)
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_samples(folder / "samples")
        certificate = make_certificate(folder)
        name = pad_clip(folder / "samples", options.mib)
        with Origin(folder / "samples") as origin, sink(certificate) as endpoint:
            link = origin.url(name)
            remote = {**rclone_remote(endpoint, "bench", "bench-secret"), "RCLONE_CA_CERT": str(certificate)}
            remote["RCLONE_S3_NO_HEAD"] = "true"
            ways = {
                "takeup's engine": partial(run_engine, link, endpoint, certificate),
                "rclone copyurl": partial(
                    run, [RCLONE, "copyurl", "--retries", "1", link, "bench:bench/peer.mp4"], environment=remote
                ),
            }
            costs: dict[str, list[Cost]] = {way: [] for way in ways}
            for _ in range(options.rounds):
                for way, once in ways.items():
                    costs[way].append(once())
    print(f"\n{options.mib} MiB into a sink behind TLS, median of {options.rounds}\n")
    print("| way | seconds | MB/s | CPU seconds | peak MiB |\n|---|---|---|---|---|")
    for way, taken in costs.items():
        wall, cpu = (statistics.median(values) for values in ([c.wall for c in taken], [c.cpu for c in taken]))
        peak = max(cost.peak_mib for cost in taken)
        print(f"| {way} | {wall:.2f} | {options.mib * 1.048576 / wall:.0f} | {cpu:.2f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
