"""Asks the embedded S3 server for its bucket, as a client with the credentials would."""

import datetime
import hashlib
import hmac
import http.client

REGION = "auto"
CONNECT_SECONDS = 2.0


def bucket_answers(port: int, bucket: str, access_key: str, secret_key: str) -> bool:
    """Whether a signed HEAD of `bucket` at 127.0.0.1:`port` is answered with 200.

    An unsigned one is refused alike whether the bucket exists or not.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CONNECT_SECONDS)
    try:
        connection.request(
            "HEAD", f"/{bucket}", headers=_signed(f"127.0.0.1:{port}", f"/{bucket}", access_key, secret_key)
        )
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _signed(host: str, path: str, access_key: str, secret_key: str) -> dict[str, str]:
    """The headers of a HEAD request with no body (AWS Signature Version 4)."""
    now = datetime.datetime.now(datetime.UTC)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    empty = hashlib.sha256(b"").hexdigest()
    names = "host;x-amz-content-sha256;x-amz-date"
    request = f"HEAD\n{path}\n\nhost:{host}\nx-amz-content-sha256:{empty}\nx-amz-date:{stamp}\n\n{names}\n{empty}"
    scope = f"{day}/{REGION}/s3/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{secret_key}".encode()
    for part in (day, REGION, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return {
        "x-amz-content-sha256": empty,
        "x-amz-date": stamp,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, "
        f"Signature={signature}",
    }
