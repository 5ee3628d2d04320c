"""The WhatsApp Cloud API's JSON: exact models for what we send, tolerant ones for what comes back.

Meta adds fields and values without notice, so nothing that comes in may fail on a key or a value that is new; a
request of ours, on the other hand, must not carry anything that nobody meant to send. Webhook updates have their own
module, `providers.whatsapp.updates`. Validation errors hide their input, because it holds phone numbers.

Source: Meta's reference for `/messages`, `/message_templates` and the phone number node, Graph v26.0.
"""

import re
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from models.enums import TemplateStatus
from providers.whatsapp.lenient import UNLIMITED, display_phone_of, limit_of, member, word_of

DEFAULT_VERSION = "v26.0"
MAX_TEXT = 4096
"""Longest free text, in characters."""
MAX_CALLBACK_DATA = 512
"""Longest `biz_opaque_callback_data`, in characters."""
MAX_COUPON_CODE = 15
"""Longest code behind a copy-code button, in characters."""

Phone = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]
"""E.164 with its `+`: without one Meta prepends the country code of the business's own number."""
UserId = Annotated[str, Field(pattern=r"^[A-Z]{2}\.[A-Za-z0-9.]{1,128}$")]
"""Business-scoped user id, which stands in for the phone of a customer who hides it."""


class _Outgoing(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    def payload(self) -> dict[str, Any]:
        """The JSON object to send, without the keys that are not set."""
        return self.model_dump(mode="json", exclude_none=True)


class TextParameter(_Outgoing):
    """What fills one variable of a template's body; `parameter_name` only for templates with named variables."""

    type: Literal["text"] = "text"
    parameter_name: str | None = Field(default=None, pattern=r"^[a-z0-9_]+$")
    text: str = Field(min_length=1, max_length=32768)


class CouponParameter(_Outgoing):
    """The code that a copy-code button puts on the customer's clipboard."""

    type: Literal["coupon_code"] = "coupon_code"
    coupon_code: str = Field(pattern=rf"^[A-Za-z0-9]{{1,{MAX_COUPON_CODE}}}$")


class BodyComponent(_Outgoing):
    """The values of a template's body, in order or by name, never mixed."""

    type: Literal["body"] = "body"
    parameters: tuple[TextParameter, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_format(self) -> Self:
        if len({parameter.parameter_name is None for parameter in self.parameters}) > 1:
            raise ValueError("positional and named variables are mixed")
        return self


class CopyCodeComponent(_Outgoing):
    """The value of a template's copy-code button; `index` counts all buttons of the template from 0."""

    type: Literal["button"] = "button"
    sub_type: Literal["copy_code"] = "copy_code"
    index: int = Field(ge=0, le=9)
    parameters: tuple[CouponParameter]


class Language(_Outgoing):
    """The template's language, such as `en` or `pt_BR`."""

    code: str = Field(pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$")


class TemplateContent(_Outgoing):
    """Which approved template, and what fills it."""

    name: str = Field(pattern=r"^[a-z0-9_]{1,512}$")
    language: Language
    components: tuple[BodyComponent | CopyCodeComponent, ...] | None = None


class TextContent(_Outgoing):
    """Free text, allowed only inside the 24-hour window."""

    body: str = Field(min_length=1, max_length=MAX_TEXT)
    preview_url: bool = False


class _Send(_Outgoing):
    messaging_product: Literal["whatsapp"] = "whatsapp"
    recipient_type: Literal["individual"] = "individual"
    to: Phone | None = None
    recipient: UserId | None = None
    biz_opaque_callback_data: str | None = Field(default=None, min_length=1, max_length=MAX_CALLBACK_DATA)

    @model_validator(mode="after")
    def _one_recipient(self) -> Self:
        if (self.to is None) == (self.recipient is None):
            raise ValueError("exactly one of `to` and `recipient` is needed")
        return self


class SendTemplate(_Send):
    """A template message to one customer."""

    type: Literal["template"] = "template"
    template: TemplateContent


class SendText(_Send):
    """A free text message to one customer."""

    type: Literal["text"] = "text"
    text: TextContent


class _Incoming(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True, coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        """A key that is null is a key that is not there."""
        return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value


class MessageStatus(StrEnum):
    """What Meta does with a message that it took; acceptance is not delivery."""

    ACCEPTED = "accepted"
    HELD_FOR_QUALITY_ASSESSMENT = "held_for_quality_assessment"
    PAUSED = "paused"


def _known_message_status(value: Any) -> Any:
    return value if isinstance(value, str) and value in set(MessageStatus) else None


class AcceptedMessage(_Incoming):
    """One message that Meta took. A text's answer carries no status, and a status that is new to us counts as none."""

    id: str = Field(min_length=1)
    message_status: Annotated[MessageStatus | None, BeforeValidator(_known_message_status)] = None


class AcceptedContact(_Incoming):
    """Who it goes to; `wa_id` may differ from `input` (Brazil, Mexico) and is missing for hidden phones."""

    input: str | None = None
    wa_id: str | None = None
    user_id: str | None = None


class SendResponse(_Incoming):
    """The answer to a message that Meta took."""

    messages: tuple[AcceptedMessage, ...] = Field(min_length=1)
    contacts: tuple[AcceptedContact, ...] = ()

    @property
    def wamid(self) -> str:
        """WhatsApp's id of the message."""
        return self.messages[0].id

    @property
    def status(self) -> MessageStatus:
        """The stated status, `accepted` where none is stated."""
        return self.messages[0].message_status or MessageStatus.ACCEPTED


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (ValueError, TypeError, OverflowError):
        return None


class GraphError(_Incoming):
    """The Graph API's own error; `code` decides, never the HTTP status or a text.

    Only the code must make sense (it may come as a numeric string); `error_data` is an object, a string or missing.
    """

    code: int
    error_subcode: Annotated[int | None, BeforeValidator(_number)] = None
    is_transient: Any = None
    error_data: Any = None


class GraphErrorBody(_Incoming):
    """What every refused call answers."""

    error: GraphError


class TemplateButton(_Incoming):
    """One button of a template; `type` in upper case (`COPY_CODE`, `QUICK_REPLY`, `URL`, ...)."""

    type: str = ""
    text: str | None = None


class TemplateComponent(_Incoming):
    """One part of a template; `type` in upper case (`HEADER`, `BODY`, `FOOTER`, `BUTTONS`)."""

    type: str = ""
    format: str | None = None
    text: str | None = None
    buttons: tuple[TemplateButton, ...] = ()


def _known_template_status(value: Any) -> Any:
    word = value.upper() if isinstance(value, str) else ""
    return word if word in set(TemplateStatus) else TemplateStatus.UNKNOWN


_VARIABLE = re.compile(r"\{\{\s*([a-z0-9_]+)\s*\}\}", re.IGNORECASE)


class Template(_Incoming):
    """One template in one language, as the WABA lists it."""

    id: str
    name: str
    language: str
    status: Annotated[TemplateStatus, BeforeValidator(_known_template_status)] = TemplateStatus.UNKNOWN
    category: str | None = None
    parameter_format: str = "POSITIONAL"
    components: tuple[TemplateComponent, ...] = ()
    rejected_reason: str | None = None
    quality_score: Any = None

    @property
    def body(self) -> str:
        """The body's text with its variables in double braces."""
        return next((part.text or "" for part in self.components if part.type.upper() == "BODY"), "")

    @property
    def variables(self) -> tuple[str, ...]:
        """The body's variables, each once, in order of appearance: `("1", "2")` or names."""
        return tuple(dict.fromkeys(_VARIABLE.findall(self.body)))

    @property
    def copy_code_index(self) -> int | None:
        """The position of the copy-code button among all buttons, if there is one."""
        buttons = (button for part in self.components for button in part.buttons)
        return next((index for index, button in enumerate(buttons) if button.type.upper() == "COPY_CODE"), None)


class Cursors(_Incoming):
    """Where a page of a list ends."""

    after: str | None = None


class Paging(_Incoming):
    """`next` is set when there is another page; it is not followed, because it may carry the token."""

    cursors: Cursors = Cursors()
    next: str | None = None


class TemplatePage(_Incoming):
    """One page of a WABA's templates, each still unparsed: one odd template must not hide the others."""

    data: tuple[Any, ...]
    paging: Paging = Paging()


class PhoneNumberHealth(_Incoming):
    """How a business number is doing."""

    id: str
    display_phone_number: str | None = None
    verified_name: str | None = None
    quality_rating: str = "UNKNOWN"
    status: str | None = None
    name_status: str | None = None
    throughput: Any = None
    whatsapp_business_manager_messaging_limit: str | None = None
    health_status: Any = None

    @property
    def may_send(self) -> bool:
        """Whether Meta says that nothing keeps the number from sending; False also where it was not asked."""
        return (word_of(member(self.health_status, "can_send_message")) or "").upper() == "AVAILABLE"

    @property
    def phone(self) -> str | None:
        """The number itself, in E.164; None if it is not told."""
        return display_phone_of(self.display_phone_number)

    @property
    def throughput_level(self) -> str | None:
        """Meta's word for how many messages a second the number may send, such as `STANDARD`; None if not told."""
        return word_of(member(self.throughput, "level"))

    @property
    def told_limit(self) -> int | None:
        """Distinct recipients per rolling 24 hours outside windows: -1 is unlimited, None not told."""
        return limit_of(self.whatsapp_business_manager_messaging_limit)

    @property
    def daily_limit(self) -> int | None:
        """The same for people: None is unlimited or not told."""
        return None if self.told_limit == UNLIMITED else self.told_limit
