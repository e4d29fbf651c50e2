"""What an earlier attempt of the same generation stored, and could not write down any more."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from app.crud.crud_lease import Claim
from app.services.fetch.filename import display_filename
from app.services.storage import keys
from app.services.storage.bucket import Bucket


def stored_original(bucket: Bucket, claim: Claim, check: Callable[[], None]) -> dict[str, Any] | None:
    """The document's `original`, as the bucket has it; None where it has none. `check` may raise to stop it.

    The whole object is read for its checksum, because nobody who is alive has seen all of its bytes.
    """
    prefix = keys.generation_prefix(claim.project_id, claim.scene_id, claim.generation) + "original."
    stored = next((bucket.head(key) for key in bucket.keys(prefix)), None)
    if stored is None:
        return None
    digest = sha256()
    for chunk in bucket.stream(stored.key):
        check()
        digest.update(chunk)
    extension = stored.key.rpartition(".")[2]
    known = claim.upload if claim.upload and claim.upload["key"] == stored.key else {}
    return {
        "key": stored.key,
        "bytes": stored.bytes,
        "content_type": stored.content_type,
        "filename": known.get("filename") or display_filename(claim.source_url, None, extension),
        "etag": stored.etag,
        "checksum": f"sha256:{digest.hexdigest()}",
    }
