"""What the bodies of all webhooks have in common: how an id, a time, an amount and a text stand in them.

The REST dialect (snake_case, integer ids, offsets in times) is the rule; three or four topics speak another one.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from providers.shopify.wire import numeric_id

LONGEST_ID: Final = 20
"""Digits of the largest 64-bit number; real ids are longer than what a float holds."""


_LARGEST_PRICE = 10**15


class UnreadableWebhookError(ValueError):
    """A webhook that is not what its topic promises; the text names fields, never values."""


class Body(BaseModel):
    """Base of every body: unknown fields are ignored, values kept out of error texts."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


def _utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        msg = "no moment of our calendar"
        raise ValueError(msg) from None


def _without_nul(text: str) -> str:
    return text.replace("\x00", "")


Id = Annotated[int, Field(strict=True, ge=1, lt=10**LONGEST_ID)]
"""A numeric id."""

Gid = Annotated[Id, BeforeValidator(lambda gid: numeric_id(str(gid)))]
"""A global id, read as the number that it ends in."""

Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A time with an offset, turned into UTC."""

Price = Annotated[Decimal, Field(allow_inf_nan=False, max_digits=20, ge=-_LARGEST_PRICE, le=_LARGEST_PRICE)]
"""Major units, so few that their minor units fit any database's integer."""

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
"""ISO 4217."""

Text = Annotated[str, AfterValidator(_without_nul)]
"""Any text; a NUL, which no database column takes, is left out."""

BodyT = TypeVar("BodyT", bound=Body)


def read(model: type[BodyT], raw: bytes, what: str) -> BodyT:
    """Read a body.

    Args:
        model: its shape.
        raw: the body as it arrived.
        what: the word for it in the error.

    Raises:
        UnreadableWebhookError: it does not have that shape.
    """
    try:
        return model.model_validate_json(raw)
    except ValidationError as exc:
        raise unreadable(what, exc) from None


def unreadable(what: str, exc: ValidationError) -> UnreadableWebhookError:
    """The error for a body in which fields are missing or make no sense: their names and nothing of their values."""
    where = ", ".join(sorted({_name(error["loc"]) for error in exc.errors()}))
    return UnreadableWebhookError(f"no {what} can be read: {where}")


def _name(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "body"


def must_be_json(raw: bytes) -> None:
    """Refuse a body that is not even JSON.

    Raises:
        UnreadableWebhookError: it is not.
    """
    try:
        from_json(raw)
    except ValueError:
        raise UnreadableWebhookError("the body is no JSON") from None


def first_text(*candidates: str | None) -> str | None:
    """The first that says something."""
    return next((one for one in candidates if one and not one.isspace()), None)
