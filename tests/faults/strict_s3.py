"""A TLS front for an S3 that is as strict as R2: what R2 refuses it refuses, and it never answers `Expect`."""

import subprocess
from collections import defaultdict
from pathlib import Path

from tests.faults.s3_front import S3Front, S3Request

_CHUNKED = ("x-amz-trailer", "transfer-encoding")


def make_certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key in the same file."""
    file = folder / "s3.pem"
    subject = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(folder / "key.pem"))
    command = ["openssl", "req", "-x509", *key, "-out", str(file), "-days", "2", *subject]
    subprocess.run(command, check=True, capture_output=True)
    file.write_text(file.read_text() + (folder / "key.pem").read_text())
    return file


class StrictS3(S3Front):
    """`refused` are the reasons of those that R2 would refuse; `expectations` the requests that waited for a 100;
    `parts` the sizes of each upload's parts, by number.
    """

    def __init__(self, upstream: str, certificate: Path) -> None:
        super().__init__(upstream, certificate)
        self.refused: list[str] = []
        self.expectations: list[str] = []
        self.parts: defaultdict[str, dict[int, int]] = defaultdict(dict)

    def expected(self, path: str) -> None:
        self.expectations.append(path)

    def refusal(self, request: S3Request) -> tuple[int, str] | None:
        reason = self._objection(request)
        if reason is None:
            return None
        self.refused.append(f"{request.method} {request.path}: {reason}")
        return 400, f"<Error><Code>InvalidRequest</Code><Message>{reason}</Message></Error>"

    def _objection(self, request: S3Request) -> str | None:
        """What R2 would refuse here: bodies in signed chunks, and parts of several sizes (its error 10048)."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        if (
            any(headers.get(name) for name in _CHUNKED)
            or headers.get("x-amz-content-sha256", "").startswith("STREAMING")
            or "aws-chunked" in headers.get("content-encoding", "")
        ):
            return "STREAMING-UNSIGNED-PAYLOAD-TRAILER not implemented"
        upload = self.parts[request.query["uploadId"]] if "uploadId" in request.query else {}
        if request.sends_part:
            upload[int(request.query["partNumber"])] = len(request.body)
        sizes = [size for _, size in sorted(upload.items())]
        if request.completes_upload and len({*sizes[:-1], max(sizes)}) > 1:
            return "All non-trailing parts must have the same length."
        return None
