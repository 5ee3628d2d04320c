"""Builds the two kinds of message that Rekindle sends, from plain values.

Everything that these functions return is a request that WhatsApp's format allows; what it does not allow raises
`ValueError` before anything leaves.
"""

import re
from collections.abc import Mapping, Sequence

from providers.whatsapp.wire import (
    BodyComponent,
    CopyCodeComponent,
    CouponParameter,
    Language,
    SendTemplate,
    SendText,
    TemplateContent,
    TextContent,
    TextParameter,
)

_SPACES = re.compile(r" {5,}")
_BREAK = re.compile(r"[\t\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")


def variable_text(value: str) -> str:
    """The value as a template variable may hold it.

    WhatsApp refuses a variable with a line break, a tab or more than four spaces in a row (code 132018), so each of
    those becomes one space; the ends are trimmed.

    Raises:
        ValueError: nothing is left.
    """
    text = _SPACES.sub(" ", _BREAK.sub(" ", value)).strip()
    if not text:
        raise ValueError("a template variable is empty")
    return text


def template_message(
    *,
    template: str,
    language: str,
    to: str | None = None,
    recipient: str | None = None,
    body_values: Sequence[str] | Mapping[str, str] = (),
    copy_code: str | None = None,
    copy_code_index: int = 0,
    callback_data: str | None = None,
) -> SendTemplate:
    """A template message.

    Args:
        template: the template's name.
        language: its language, such as `en` or `pt_BR`.
        to: the customer's phone in E.164 with `+`; or
        recipient: the customer's business-scoped user id.
        body_values: values in the order of the body's variables, or by name where the template has named ones.
        copy_code: the code for the copy-code button, for a template that has one.
        copy_code_index: that button's position among all buttons, from 0.
        callback_data: what every status of this message will carry back.

    Raises:
        ValueError: a value that WhatsApp's format does not allow (`pydantic.ValidationError` is one).
    """
    named = body_values.items() if isinstance(body_values, Mapping) else ((None, value) for value in body_values)
    values = tuple(TextParameter(parameter_name=name, text=variable_text(value)) for name, value in named)
    components: list[BodyComponent | CopyCodeComponent] = []
    if values:
        components.append(BodyComponent(parameters=values))
    if copy_code is not None:
        button = CopyCodeComponent(index=copy_code_index, parameters=(CouponParameter(coupon_code=copy_code),))
        components.append(button)
    content = TemplateContent(
        name=template, language=Language(code=language), components=tuple(components) if components else None
    )
    return SendTemplate(to=to, recipient=recipient, template=content, biz_opaque_callback_data=callback_data)


def text_message(
    *, body: str, to: str | None = None, recipient: str | None = None, callback_data: str | None = None
) -> SendText:
    """A free text message, which WhatsApp takes only within 24 hours of the customer's last message.

    Raises:
        ValueError: a value that WhatsApp's format does not allow (`pydantic.ValidationError` is one).
    """
    return SendText(to=to, recipient=recipient, text=TextContent(body=body), biz_opaque_callback_data=callback_data)
