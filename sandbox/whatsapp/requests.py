"""Checks a send request as strictly as the Cloud API, or more so, and by hand: every message passes here.

Stricter than Meta: `to` must have its `+` (Meta would guess the country), keys that nobody asked for are refused, and
a positional variable may not be named. Where Meta documents no code for a mistake, the nearest is used: a bad coupon
code and a bad variable value are 132018, a button that the template needs and the request lacks is 131008, a
parameter of the wrong form is 132012.
"""

import re
from dataclasses import dataclass
from typing import Any

from models.enums import SENDABLE_TEMPLATE_STATUSES, TemplateStatus
from sandbox.whatsapp.graph_errors import GraphRefusal
from sandbox.whatsapp.templates import SandboxTemplate, TemplateRegistry

_TOP = frozenset({
    "messaging_product", "recipient_type", "to", "recipient", "type", "text", "template", "context",
    "biz_opaque_callback_data", "recipient_identity_key_hash",
})  # fmt: skip
_TEMPLATE = frozenset({"name", "language", "components"})
_LANGUAGE = frozenset({"code", "policy"})
_BODY = frozenset({"type", "parameters"})
_BUTTON = frozenset({"type", "sub_type", "index", "parameters"})
_TEXT_PARAMETER = frozenset({"type", "text", "parameter_name"})
_COUPON_PARAMETER = frozenset({"type", "coupon_code"})
_TEXT = frozenset({"body", "preview_url"})

_DECORATION = re.compile(r"[ ()\-]")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_USER_ID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9.]{1,128}")
_COUPON = re.compile(r"[A-Za-z0-9]{1,15}")
_UNWANTED_SPACE = re.compile(r"[\n\r\t]| {5}")
_LONGEST_TEXT = 4096
_LONGEST_BODY = 1024
_LONGEST_CALLBACK = 512


@dataclass(frozen=True, slots=True)
class SendRequest:
    """A request that the sandbox understood.

    Attributes:
        recipient: E.164 with `+`, or the business-scoped user id.
        by_user_id: the recipient is a user id.
        kind: `template` or `text`.
        content: the request's `template` or `text` object.
        rendered: the words that the customer would read.
        callback_data: `biz_opaque_callback_data`.
        category: the template's category in lower case, `service` for a text.
    """

    recipient: str
    by_user_id: bool
    kind: str
    content: dict[str, Any]
    rendered: str
    callback_data: str | None
    category: str


def read_send(body: Any, templates: TemplateRegistry) -> SendRequest:
    """The request in a POST body.

    Raises:
        GraphRefusal: what the Cloud API would answer.
    """
    body = _object(body, "the request body")
    _only(body, _TOP, "the request")
    if body.get("messaging_product") != "whatsapp":
        raise GraphRefusal(100, "messaging_product must be whatsapp")
    if body.get("recipient_type", "individual") != "individual":
        raise GraphRefusal(100, "recipient_type must be individual")
    recipient, by_user_id = _recipient(body)
    callback = body.get("biz_opaque_callback_data")
    if callback is not None and not (isinstance(callback, str) and 0 < len(callback) <= _LONGEST_CALLBACK):
        raise GraphRefusal(100, "biz_opaque_callback_data must be a string of at most 512 characters")
    kind = body.get("type")
    if kind == "template":
        _absent(body, "text")
        content = _object(body.get("template"), "template")
        template, rendered = _template(content, templates)
        category = template.category.lower()
    elif kind == "text":
        _absent(body, "template")
        content = _object(body.get("text"), "text")
        rendered, category = _text(content), "service"
    else:
        raise GraphRefusal(100, "type must be template or text in this sandbox")
    return SendRequest(recipient, by_user_id, kind, content, rendered, callback, category)


def _recipient(body: dict[str, Any]) -> tuple[str, bool]:
    to, user_id = body.get("to"), body.get("recipient")
    if to is None and user_id is None:
        raise GraphRefusal(100, "The parameter to is required.")
    if to is not None:
        digits = _DECORATION.sub("", to) if isinstance(to, str) else ""
        if not _PHONE.fullmatch(digits):
            raise GraphRefusal(100, "to must be a phone number with + and country code")
        return digits, False
    if not (isinstance(user_id, str) and _USER_ID.fullmatch(user_id)):
        raise GraphRefusal(100, "recipient must be a business-scoped user id")
    return user_id, True


def _text(content: dict[str, Any]) -> str:
    _only(content, _TEXT, "text")
    words = content.get("body")
    if not isinstance(words, str) or not words:
        raise GraphRefusal(100, "text.body is required")
    if len(words) > _LONGEST_TEXT:
        raise GraphRefusal(100, "text.body must be at most 4096 characters long")
    if not isinstance(content.get("preview_url", False), bool):
        raise GraphRefusal(100, "text.preview_url must be true or false")
    return words


def _template(content: dict[str, Any], templates: TemplateRegistry) -> tuple[SandboxTemplate, str]:
    _only(content, _TEMPLATE, "template")
    language = _object(content.get("language"), "template.language")
    _only(language, _LANGUAGE, "template.language")
    name, code = content.get("name"), language.get("code")
    if not isinstance(name, str) or not isinstance(code, str):
        raise GraphRefusal(100, "template.name and template.language.code are required")
    if language.get("policy", "deterministic") != "deterministic":
        raise GraphRefusal(100, "template.language.policy must be deterministic")
    template = templates.get(name, code)
    if template is None or template.status in {TemplateStatus.DELETED, TemplateStatus.ARCHIVED}:
        raise GraphRefusal(132001, f"template name ({name}) does not exist in {code}")
    if template.status is TemplateStatus.DISABLED:
        raise GraphRefusal(132016, f"template name ({name}) is disabled")
    if template.status not in SENDABLE_TEMPLATE_STATUSES:
        raise GraphRefusal(132015, f"template name ({name}) is {template.status.value.lower()}")
    body, buttons = _components(content)
    rendered = template.render(_body_values(body, template))
    if len(rendered) > _LONGEST_BODY:
        raise GraphRefusal(132005, "body: the filled-in text is longer than 1024 characters")
    _check_buttons(buttons, template)
    return template, rendered


def _components(content: dict[str, Any]) -> tuple[list[Any], list[dict[str, Any]]]:
    """The parameters of the body, and the button components."""
    body: list[Any] | None = None
    buttons: list[dict[str, Any]] = []
    components = content.get("components", [])
    if not isinstance(components, list):
        raise GraphRefusal(100, "template.components must be a list")
    for entry in components:
        component = _object(entry, "template.components[]")
        kind = component.get("type")
        if kind == "button":
            _only(component, _BUTTON, "template.components[]")
            buttons.append(component)
        elif kind == "body" and body is None:
            _only(component, _BODY, "template.components[]")
            body = component.get("parameters")
            if not isinstance(body, list):
                raise GraphRefusal(100, "template.components[].parameters must be a list")
        else:
            raise GraphRefusal(132012, "components: only one body and buttons exist in this sandbox's templates")
    return body or [], buttons


def _body_values(parameters: list[Any], template: SandboxTemplate) -> dict[str, str]:
    named = template.parameter_format == "NAMED"
    values: dict[str, str] = {}
    for position, entry in enumerate(parameters, start=1):
        parameter = _object(entry, "body parameter")
        _only(parameter, _TEXT_PARAMETER, "body parameter")
        text, name = parameter.get("text"), parameter.get("parameter_name")
        if parameter.get("type") != "text" or not isinstance(text, str):
            raise GraphRefusal(132012, "body: every parameter must be a text")
        if (name is not None) != named or not isinstance(name, str | None):
            wanted = "named" if named else "positional"
            raise GraphRefusal(132012, f"body: the template's parameters are {wanted}")
        if not text:
            raise GraphRefusal(131008, f"body: parameter {position} is empty")
        if _UNWANTED_SPACE.search(text):
            raise GraphRefusal(132018, "body: a parameter holds a line break, a tab or more than 4 spaces in a row")
        values[name or str(position)] = text
    if len(parameters) != len(template.variables) or len(values) != len(parameters):
        found, wanted_count = len(parameters), len(template.variables)
        raise GraphRefusal(132000, f"body: {found} parameters do not match the {wanted_count} expected")
    if values.keys() != set(template.variables):
        raise GraphRefusal(132012, "body: a parameter has a name that the template does not know")
    return values


def _check_buttons(buttons: list[dict[str, Any]], template: SandboxTemplate) -> None:
    if not template.copy_code:
        if buttons:
            raise GraphRefusal(132012, "buttons: the template has no button")
        return
    if not buttons:
        raise GraphRefusal(131008, "buttons: the button at index 0 needs a coupon code")
    button = buttons[0]
    right_place = len(buttons) == 1 and button.get("sub_type") == "copy_code" and button.get("index") in (0, "0")
    parameters = button.get("parameters")
    if not right_place or not isinstance(parameters, list) or len(parameters) != 1:
        raise GraphRefusal(132012, "buttons: the template has one copy-code button, at index 0")
    parameter = _object(parameters[0], "button parameter")
    _only(parameter, _COUPON_PARAMETER, "button parameter")
    if parameter.get("type") != "coupon_code":
        raise GraphRefusal(132012, "buttons: a copy-code button needs a coupon_code parameter")
    code = parameter.get("coupon_code")
    if not (isinstance(code, str) and _COUPON.fullmatch(code)):
        raise GraphRefusal(132018, "buttons: a coupon code has 1 to 15 letters and digits")


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise GraphRefusal(100, f"{what} must be an object")
    return value


def _only(value: dict[str, Any], allowed: frozenset[str], what: str) -> None:
    if not value.keys() <= allowed:
        raise GraphRefusal(100, f"{what} has a key that does not belong there")


def _absent(body: dict[str, Any], key: str) -> None:
    if key in body:
        raise GraphRefusal(100, f"{key} does not belong to a message of this type")
