"""Whether the set-up works, for the page that a new server shows first."""

from typing import Self

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.deps import ClientsDep, WorkspaceDep
from app.tasks.checks import Finding

router = APIRouter(tags=["setup"])


class SetupCheck(BaseModel):
    """One thing that Takeup needs: what was seen of it, and what to do where it is not well."""

    name: str
    ok: bool
    seen: str
    remedy: str

    @classmethod
    def of(cls, finding: Finding) -> Self:
        return cls(name=finding.name, ok=finding.ok, seen=finding.seen, remedy=finding.remedy)


class Setup(BaseModel):
    """The checks, three seconds old at most.

    `picture_url` is a picture in the bucket, for a minute: a browser that can load it can play what is stored. It is
    null while the bucket is not well. `sample_url` is a link to begin with, if the operator offers one.
    """

    checks: list[SetupCheck]
    picture_url: str | None
    sample_url: str | None


@router.get("/setup")
async def read_setup(clients: ClientsDep, _: WorkspaceDep) -> Setup:
    """Check the database, the broker, the bucket, the workers, the disk and the age of yt-dlp."""
    look = await clients.setup_looks.look()
    return Setup(
        checks=[SetupCheck.of(finding) for finding in look.findings],
        picture_url=look.picture_url,
        sample_url=clients.settings.sample_url,
    )
