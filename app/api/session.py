"""A browser's session, opened with an API key: no page can send a key with a picture, a film or an event stream."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.callers import caller_of, forget_session, refuse_foreign_page, session_token, set_session
from app.api.deps import ClientsDep
from app.core.errors import UnauthorizedError, WrongKeyError
from app.crud import crud_session
from app.crud.crud_session import Caller

router = APIRouter(prefix="/session", tags=["session"])


class SignIn(BaseModel):
    """The API key to sign in with."""

    model_config = ConfigDict(extra="forbid")

    key: Annotated[str, Field(min_length=1, max_length=200)]


class SignedIn(BaseModel):
    """The key that a caller has shown, by its name, and the workspace that it opens."""

    key_name: str
    workspace: str


class Session(BaseModel):
    """Whether this server asks for a key, and which one the caller has shown."""

    key_required: bool
    signed_in: SignedIn | None

    @classmethod
    def of(cls, caller: Caller) -> "Session":
        shown = SignedIn(key_name=caller.key_name, workspace=caller.workspace) if caller.key_id else None
        return cls(key_required=shown is not None, signed_in=shown)


@router.get("")
async def read_session(request: Request, response: Response, clients: ClientsDep) -> Session:
    """Read whether a key is needed, and whether one is signed in."""
    response.headers["Cache-Control"] = "no-store"
    try:
        return Session.of(await caller_of(request, clients.database, clients.keys))
    except UnauthorizedError:
        return Session(key_required=True, signed_in=None)


@router.post("")
async def sign_in(body: SignIn, request: Request, response: Response, clients: ClientsDep) -> Session:
    """Sign this browser in: it gets a cookie that stands for the key until it expires, or the key is revoked.

    Only a page of this server may do so. Programs send the key itself.
    """
    refuse_foreign_page(request)
    caller = await crud_session.caller_with_key(clients.database, body.key.strip())
    if caller is None:
        raise WrongKeyError
    token = await crud_session.open_session(clients.database, caller, clients.settings.takeup_session_days)
    set_session(response, request, token, clients.settings)
    return Session.of(caller)


@router.delete("")
async def sign_out(request: Request, response: Response, clients: ClientsDep) -> Session:
    """Sign this browser out, if it was signed in."""
    refuse_foreign_page(request)
    token = session_token(request)
    if token is not None:
        await crud_session.end_session(clients.database, token)
        forget_session(response, request)
    return Session(key_required=await clients.keys.refresh(clients.database), signed_in=None)
