"""The built front end, as files: its page for every address of a person's, its assets for good."""

from mimetypes import guess_type
from pathlib import Path
from stat import S_ISREG

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_FOR_GOOD = "public, max-age=31536000, immutable"
_PRECOMPRESSED = (("br", ".br"), ("gzip", ".gz"))


class HashedFiles(StaticFiles):
    """Files whose names change with their content, each in the smallest form that was built and the browser takes."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await self._compressed(path, scope) or await super().get_response(path, scope)
        response.headers["cache-control"] = _FOR_GOOD
        response.headers.add_vary_header("accept-encoding")
        return response

    async def _compressed(self, path: str, scope: Scope) -> Response | None:
        accepted = {
            part.partition(";")[0].strip() for part in Headers(scope=scope).get("accept-encoding", "").split(",")
        }
        for encoding, suffix in _PRECOMPRESSED:
            if encoding not in accepted or scope["method"] not in {"GET", "HEAD"}:
                continue
            found, status = await run_in_threadpool(self.lookup_path, path + suffix)
            if status is None or not S_ISREG(status.st_mode):
                continue
            response = self.file_response(found, status, scope)
            response.headers["content-type"] = guess_type(path)[0] or "application/octet-stream"
            response.headers["content-encoding"] = encoding
            return response
        return None


def serve_front_end(app: FastAPI, folder: Path) -> bool:
    """Serve what `make install` has built into `folder`; False where nothing was built."""
    if not (folder / "index.html").is_file():
        return False
    app.mount("/assets", HashedFiles(directory=folder / "assets"))
    app.frontend("/", directory=folder, fallback="index.html")
    return True
