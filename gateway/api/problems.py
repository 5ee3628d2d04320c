"""How the API says no: RFC 9457 problem details, one clear sentence each, and nothing of the inside.

No answer repeats what was sent, because answers end up in other systems' logs.
"""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from policies.phones import PhoneError
from reports.documents import AnswerView
from storage.engine import DatabaseUnavailableError
from storage.journeys import UnknownJourneyError

_log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
_TOLD_NOTHING = frozenset({HTTPStatus.UNAUTHORIZED})
_LONGEST_FIELD = 200


class FieldProblem(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="Where: `body.customer.phone`, `path.name`.", examples=["body.messages.0.at"])
    text: str = Field(description="What is wrong there.", examples=["Field required"])


class Problem(BaseModel):
    """What every refusal answers with (RFC 9457)."""

    type: str = Field(default="about:blank", description="Always `about:blank`: the status says which kind it is.")
    title: str = Field(description="The status in words.", examples=["Not Found"])
    status: int = Field(description="The HTTP status.", examples=[404])
    detail: str | None = Field(default=None, description="One sentence for a person; left out where it would help a "
                               "stranger.", examples=["the store has no customer with that number"])  # fmt: skip
    problems: list[FieldProblem] | None = Field(
        default=None, description="With 422: everything that is wrong with the request."
    )
    answer: AnswerView | None = Field(
        default=None,
        description="Where somebody unknown was asked about: why they got nothing, as it is said of everybody else.",
    )


class ApiError(Exception):
    """Ends a request with that status and sentence."""

    def __init__(self, status: HTTPStatus, detail: str, *, answer: AnswerView | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.answer = answer


def problem_response(
    status: int,
    detail: str | None = None,
    *,
    problems: Sequence[FieldProblem] | None = None,
    answer: AnswerView | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for a refusal."""
    known = HTTPStatus(status)
    problem = Problem(
        title=known.phrase,
        status=known.value,
        detail=None if known in _TOLD_NOTHING else detail,
        problems=list(problems) if problems is not None else None,
        answer=answer,
    )
    told = {name: value for name, value in problem.model_dump(mode="json").items() if value is not None}
    return JSONResponse(
        told,
        status_code=known.value,
        media_type=PROBLEM_JSON,
        headers=dict(headers or {}),
    )


def unavailable(error: Exception) -> Response:
    """The answer while the database is away."""
    # The text of a database error repeats the parameters, which are people's numbers and words.
    _log.error("api: the database is away (%s)", type(error).__name__)
    return problem_response(
        HTTPStatus.SERVICE_UNAVAILABLE, "the database is away; try again soon", headers={"Retry-After": "5"}
    )


def answer_with_problems(app: FastAPI) -> None:
    """Let every error of the application become a problem document."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(PhoneError, _no_phone)
    app.add_exception_handler(UnknownJourneyError, _no_journey)
    for kind in (DatabaseUnavailableError, SQLAlchemyError, OSError):
        app.add_exception_handler(kind, _away)


async def _api_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - registered for this type only
    return problem_response(error.status, error.detail, answer=error.answer)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type only
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return problem_response(HTTPStatus.BAD_REQUEST, "the body is no JSON")
    problems = [FieldProblem(field=_place(one["loc"]), text=_text(one)) for one in found]
    return problem_response(
        HTTPStatus.UNPROCESSABLE_ENTITY, "the request is not what this address takes", problems=problems
    )


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type only
    details = {
        HTTPStatus.BAD_REQUEST: "the body is no JSON",
        HTTPStatus.NOT_FOUND: "there is nothing at this address",
        HTTPStatus.METHOD_NOT_ALLOWED: "this address does not take that method",
    }
    return problem_response(error.status_code, details.get(HTTPStatus(error.status_code)), headers=error.headers)


async def _no_phone(_request: Request, error: Exception) -> Response:
    return problem_response(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "the phone number cannot be used",
        problems=[FieldProblem(field="body.phone", text=str(error))],
    )


async def _no_journey(_request: Request, _error: Exception) -> Response:
    return problem_response(HTTPStatus.NOT_FOUND, "the store has no journey of that name")


async def _away(_request: Request, error: Exception) -> Response:
    return unavailable(error)


def _place(location: Sequence[object]) -> str:
    """Where, as it can be written: names of unknown fields are the sender's and may be anything."""
    text = ".".join(str(part) for part in location)
    return text.encode("utf-8", "replace").decode()[:_LONGEST_FIELD]


def _text(error: Mapping[str, object]) -> str:
    text = str(error["msg"]).removeprefix("Value error, ")
    return text.encode("utf-8", "replace").decode()
