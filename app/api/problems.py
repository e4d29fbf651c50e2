"""Errors as RFC 9457 problem documents, each with its stable `code`."""

from collections.abc import Sequence
from http import HTTPStatus
from logging import getLogger
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from app.core.database import DatabaseError
from app.core.errors import InvalidRequestError, TakeupError, UnavailableError

MEDIA_TYPE = "application/problem+json"

log = getLogger(__name__)


class FieldProblem(BaseModel):
    """What is wrong with one part of the request."""

    at: str
    message: str


class Problem(BaseModel):
    """Why a request was refused."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    hint: str
    errors: list[FieldProblem] | None = None


def problem_of(error: TakeupError, fields: Sequence[FieldProblem] | None = None) -> Problem:
    return Problem(
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        detail=error.sentence,
        code=error.code,
        hint=error.hint,
        errors=list(fields) if fields else None,
    )


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    body = problem.model_dump(exclude_none=True)
    return JSONResponse(body, problem.status, media_type=MEDIA_TYPE, headers=headers)


PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, description in {
        400: "The body is not readable",
        401: "No valid API key",
        403: "A foreign page or name",
        404: "Not there, or not in this workspace",
        409: "Not in this state",
        412: "Edited by somebody else since",
        413: "Too large",
        422: "Not of the expected form",
        429: "Too much at once",
        503: "The database does not answer",
    }.items()
}
"""What any route may answer besides its own result, for the API's description."""

_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "2"}}


def describe_problems(app: FastAPI) -> None:
    """Give the API's description the form of a problem, which `PROBLEM_RESPONSES` refers to."""
    describe = app.openapi

    def described() -> dict[str, Any]:
        schema = describe()
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schema["components"]["schemas"].update({"Problem": problem, **problem.pop("$defs", {})})
        return schema

    app.openapi = described  # type: ignore[method-assign]  # as FastAPI documents it


def install_problem_handlers(app: FastAPI) -> None:
    """Have every error leave the application as a problem document."""

    async def on_takeup_error(_: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, TakeupError):
            raise error
        return problem_response(problem_of(error), _HEADERS.get(error.status))

    async def on_invalid_request(_: Request, error: Exception) -> JSONResponse:
        items = error.errors() if isinstance(error, RequestValidationError) else []
        fields = [FieldProblem(at=".".join(map(str, item["loc"])), message=item["msg"]) for item in items]
        return problem_response(problem_of(InvalidRequestError(), fields))

    async def on_http_error(_: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, HTTPException):
            raise error
        phrase = HTTPStatus(error.status_code).phrase
        problem = Problem(
            title=phrase,
            status=error.status_code,
            detail=str(error.detail),
            code=f"http.{phrase.lower().replace(' ', '_')}",
            hint="Compare the request with the API's description at /docs.",
        )
        return problem_response(problem, dict(error.headers or {}))

    async def on_database_error(_: Request, error: Exception) -> JSONResponse:
        log.error("the database does not answer: %s", error)
        return problem_response(problem_of(UnavailableError()), {"Retry-After": "2"})

    async def on_bug(_: Request, error: Exception) -> JSONResponse:
        log.error("a request broke", exc_info=error)
        return problem_response(problem_of(TakeupError()))

    app.add_exception_handler(TakeupError, on_takeup_error)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(DatabaseError, on_database_error)
    app.add_exception_handler(Exception, on_bug)
