import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from providers.whatsapp.messages import template_message, text_message, variable_text
from sandbox.whatsapp.requests import read_send
from sandbox.whatsapp.templates import SandboxTemplate, TemplateRegistry

SCHEMA = Path(__file__).parents[4] / "shared" / "reference" / "whatsapp.schema.json"

phones = st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True)
user_ids = st.from_regex(r"[A-Z]{2}\.[A-Za-z0-9]{1,60}", fullmatch=True)
callbacks = st.none() | st.text(min_size=1, max_size=512)
languages = st.sampled_from(["en", "es", "pt_BR", "fil"])
values = st.text(min_size=1, max_size=200).filter(lambda text: bool(text.strip()) and not text.isspace())
names = st.from_regex(r"[a-z0-9_]{1,20}", fullmatch=True)
codes = st.from_regex(r"[A-Za-z0-9]{1,15}", fullmatch=True)


@st.composite
def recipients(draw: st.DrawFn) -> dict[str, str]:
    """A phone or a business-scoped user id."""
    return {"to": draw(phones)} if draw(st.booleans()) else {"recipient": draw(user_ids)}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The patched subset of Meta's specification, where it is at hand."""
    if not SCHEMA.exists():
        pytest.skip("the reference is not here")
    loaded: dict[str, Any] = json.loads(SCHEMA.read_text())
    return loaded


def check(schema: dict[str, Any], definition: str, payload: dict[str, Any]) -> None:
    """Fail with the schema's own complaint."""
    Draft202012Validator({"$ref": f"#/$defs/{definition}", **schema}).validate(json.loads(json.dumps(payload)))


@given(
    who=recipients(),
    template=names,
    language=languages,
    body_values=st.lists(values, max_size=5) | st.dictionaries(names, values, max_size=5),
    copy_code=st.none() | codes,
    index=st.integers(0, 9),
    callback=callbacks,
)
def test_every_template_message_fits_the_specification(
    schema: dict[str, Any],
    who: dict[str, str],
    template: str,
    language: str,
    body_values: list[str] | dict[str, str],
    copy_code: str | None,
    index: int,
    callback: str | None,
) -> None:
    """Whatever values go in, what comes out validates against Meta's patched specification."""
    message = template_message(
        **who,
        template=template,
        language=language,
        body_values=body_values,
        copy_code=copy_code,
        copy_code_index=index,
        callback_data=callback,
    )
    check(schema, "SendTemplate", message.payload())


@given(who=recipients(), body=st.text(min_size=1, max_size=4096), callback=callbacks)
def test_every_text_message_fits_the_specification(
    schema: dict[str, Any], who: dict[str, str], body: str, callback: str | None
) -> None:
    """Whatever words go in, what comes out validates against Meta's patched specification."""
    check(schema, "SendText", text_message(**who, body=body, callback_data=callback).payload())


@given(
    phone=phones,
    body_values=st.lists(values.filter(lambda text: len(text) < 100), min_size=2, max_size=2),
    copy_code=codes,
    callback=callbacks,
)
def test_the_sandbox_takes_every_message_that_the_builders_make(
    phone: str, body_values: list[str], copy_code: str, callback: str | None
) -> None:
    """The strict sandbox refuses nothing that was built for a template that exists."""
    registry = TemplateRegistry([SandboxTemplate("coupon", "en", "{{1}}, use {{2}}.", copy_code=True)])
    message = template_message(
        to=phone, template="coupon", language="en", body_values=body_values, copy_code=copy_code, callback_data=callback
    )
    request = read_send(message.payload(), registry)
    assert request.recipient == phone
    assert request.callback_data == callback


@example("a     b")
@example("a    \tb")
@given(st.text(alphabet=" \n\tab\u2028é", max_size=40) | st.text(max_size=60))
def test_a_variable_never_holds_what_whatsapp_refuses(value: str) -> None:
    """Line breaks, tabs and runs of five spaces are gone, and no word is."""
    if not value.strip():
        with pytest.raises(ValueError, match="empty"):
            variable_text(value)
        return
    text = variable_text(value)
    assert not set(text) & set("\n\r\t")
    assert " " * 5 not in text
    assert text.split() == value.split()


@pytest.mark.parametrize("to", ["447700900123", "+0123456789", "07700 900123", "+44 7700 900123", ""])
def test_a_phone_without_plus_and_country_code_cannot_be_addressed(to: str) -> None:
    """Meta would prepend the business's own country code and reach a stranger."""
    with pytest.raises(ValidationError) as caught:
        text_message(to=to, body="hello")
    assert "7700" not in str(caught.value)


def test_exactly_one_recipient_is_addressed() -> None:
    """Neither or both of phone and user id is a mistake of ours."""
    with pytest.raises(ValidationError):
        text_message(body="hello")
    with pytest.raises(ValidationError):
        text_message(to="+447700900123", recipient="GB.1", body="hello")


@pytest.mark.parametrize("code", ["", "WITH SPACE", "ÄÖ", "A" * 16, "BACK-10"])
def test_a_coupon_code_that_the_button_cannot_carry_is_refused(code: str) -> None:
    """A copy-code button carries one to fifteen letters and digits."""
    with pytest.raises(ValidationError):
        template_message(to="+447700900123", template="c", language="en", copy_code=code)


def test_a_named_and_a_positional_message_look_as_documented() -> None:
    """Names travel as `parameter_name`, order stands for positional ones, and nothing unset is sent."""
    named = template_message(to="+447700900123", template="t", language="en", body_values={"first_name": "Ada"})
    assert named.payload()["template"]["components"] == [
        {"type": "body", "parameters": [{"type": "text", "parameter_name": "first_name", "text": "Ada"}]}
    ]
    bare = template_message(to="+447700900123", template="t", language="en")
    assert bare.payload() == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+447700900123",
        "type": "template",
        "template": {"name": "t", "language": {"code": "en"}},
    }
