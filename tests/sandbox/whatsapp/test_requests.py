"""The sandbox refuses what the Cloud API refuses, with its codes."""

from typing import Any

import httpx
import pytest

from models.enums import TemplateStatus
from sandbox.whatsapp.cloud import WhatsAppSandbox
from sandbox.whatsapp.templates import SandboxTemplate

from .conftest import NUMBER, WABA, VirtualClock, make_sandbox, plain_http, template, text


async def refusal(http: httpx.AsyncClient, body: Any) -> tuple[int, int]:
    """HTTP status and code of the answer to a send."""
    answer = await http.post(f"/{NUMBER}/messages", json=body)
    error = answer.json()["error"]
    assert error["fbtrace_id"]
    assert f"(#{error['code']})" in error["message"]
    return answer.status_code, error["code"]


@pytest.mark.parametrize("headers", [{"Authorization": ""}, {"Authorization": "Bearer wrong"}])
async def test_a_missing_or_wrong_token_is_refused(graph: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """Nobody without the number's token gets anything."""
    answer = await graph.post(f"/{NUMBER}/messages", json=template(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, 190)
    assert "WWW-Authenticate" in answer.headers


async def test_an_unknown_number_is_refused(graph: httpx.AsyncClient) -> None:
    """A wrong phone number id is a missing object, as in the real API."""
    answer = await graph.post("/900000000000009/messages", json=template())
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["error_subcode"]) == (400, 100, 33)
    assert error["type"] == "GraphMethodException"


COUPON_BUTTON = {"type": "button", "sub_type": "copy_code", "index": 0}


def coupon(code: Any, **changes: Any) -> dict[str, Any]:
    """A request for the coupon template."""
    body = template("winback_coupon", "Ada", "BACK10")
    button = {**COUPON_BUTTON, "parameters": [{"type": "coupon_code", "coupon_code": code}], **changes}
    body["template"]["components"].append(button)
    return body


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (template(to=None), 100),
        (template(to="447700900123"), 100),
        (template(to=447700900123), 100),
        (template(to=None, recipient="not a user id"), 100),
        (template(surprise=1), 100),
        (template(messaging_product="sms"), 100),
        (template(type="sticker"), 100),
        (template(text={"body": "x"}), 100),
        (template(biz_opaque_callback_data="x" * 513), 100),
        ([], 100),
        (None, 100),
        (template("no_such_template"), 132001),
        (template("winback_pending"), 132015),
        (template("winback_paused"), 132015),
        (template("winback_hello", "Ada", "Lovelace"), 132000),
        (template("winback_note", "two\nlines"), 132018),
        (template("winback_note", "a\ttab"), 132018),
        (template("winback_note", "five     spaces"), 132018),
        (template("winback_note", "x" * 1024), 132005),
        (template("winback_coupon", "Ada", "BACK10"), 131008),
        (coupon("BACK10", index=1), 132012),
        (coupon("BACK10", index=[0]), 132012),
        (coupon("TOO LONG A CODE!"), 132018),
        (coupon(10), 132018),
        (text(text={"body": ""}), 100),
        (text(text={"body": "x" * 4097}), 100),
        (text(text={"body": "x", "colour": "red"}), 100),
        (text(), 131047),
        (text(to="+15550000001"), 131021),
    ],
)
async def test_bad_requests_get_the_codes_of_the_cloud_api(
    graph: httpx.AsyncClient, sandbox: WhatsAppSandbox, body: Any, code: int
) -> None:
    """Each mistake has its code, and nothing is accepted."""
    status, found = await refusal(graph, body)
    assert found == code
    assert status == (404 if code == 132001 else 400)
    assert sandbox.books.received == 0
    assert sandbox.books.refused == {code: 1}


async def test_a_disabled_template_is_refused_for_good(graph: httpx.AsyncClient, sandbox: WhatsAppSandbox) -> None:
    """Disabled and paused are told apart."""
    sandbox.set_template_status("winback_hello", "en", TemplateStatus.DISABLED, sandbox.clock())
    assert await refusal(graph, template()) == (400, 132016)


async def test_named_and_positional_variables_do_not_mix(clock: VirtualClock) -> None:
    """A template takes the one form that it was made with, and only its own names."""
    named = SandboxTemplate("named", "en", "Hi {{first_name}}", parameter_format="NAMED")
    positional = SandboxTemplate("positional", "en", "Hi {{1}}")
    async with plain_http(make_sandbox(clock, templates=[named, positional])) as http:
        right = template("named")
        right["template"]["components"][0]["parameters"][0]["parameter_name"] = "first_name"
        assert (await http.post(f"/{NUMBER}/messages", json=right)).status_code == 200
        assert await refusal(http, template("named")) == (400, 132012)
        right["template"]["components"][0]["parameters"][0]["parameter_name"] = "last_name"
        assert await refusal(http, right) == (400, 132012)
        right["template"]["name"] = "positional"
        assert await refusal(http, right) == (400, 132012)


async def test_a_right_request_is_accepted_and_answered_as_documented(
    graph: httpx.AsyncClient, sandbox: WhatsAppSandbox
) -> None:
    """The answer holds the contact and the id; the books hold the words that the customer reads."""
    answer = await graph.post(f"/{NUMBER}/messages", json=coupon("BACK10") | {"biz_opaque_callback_data": "1:2:0:1"})
    assert answer.status_code == 200
    content = answer.json()
    (message,) = sandbox.books.messages
    assert content["contacts"] == [{"input": "+447700900123", "wa_id": "447700900123"}]
    assert content["messages"] == [{"id": message.wamid, "message_status": "accepted"}]
    assert message.rendered == "Ada, here is something to make coming back easier: use the code BACK10 at checkout."
    assert (message.recipient, message.occurrence, message.enrollment) == ("+447700900123", "1:2:0", "1")


async def test_a_user_id_can_be_addressed_instead_of_a_phone(graph: httpx.AsyncClient) -> None:
    """The answer then has no phone in it."""
    answer = await graph.post(f"/{NUMBER}/messages", json=template(to=None, recipient="GB.10000000000000000001"))
    user = "GB.10000000000000000001"
    assert answer.json()["contacts"] == [{"input": user, "user_id": user}]


async def test_templates_are_listed_in_pages_with_fields_and_filters(graph: httpx.AsyncClient) -> None:
    """Cursors lead through every template once; filters and fields do what they say."""
    names: list[tuple[str, str]] = []
    params = {"fields": "name,language,status", "limit": "4"}
    while True:
        page = (await graph.get(f"/{WABA}/message_templates", params=params)).json()
        names += [(entry["name"], entry["language"]) for entry in page["data"]]
        assert all(entry.keys() == {"id", "name", "language", "status"} for entry in page["data"])
        if "next" not in page["paging"]:
            break
        assert "token" not in page["paging"]["next"]
        params["after"] = page["paging"]["cursors"]["after"]
    assert len(names) == len(set(names)) == 21
    assert {language for _, language in names} == {"en", "es", "pt_BR"}
    filters = {"name": "winback", "status": "PAUSED", "language": "pt_BR"}
    (only,) = (await graph.get(f"/{WABA}/message_templates", params=filters)).json()["data"]
    assert only["name"] == "winback_paused"
    assert "quality_score" not in only
    assert (await graph.get(f"/{WABA}/message_templates", params={"name": "zzz"})).json() == {"data": []}
    for bad in ({"fields": "nope"}, {"limit": "0"}, {"after": "???"}):
        assert (await graph.get(f"/{WABA}/message_templates", params=bad)).status_code == 400
