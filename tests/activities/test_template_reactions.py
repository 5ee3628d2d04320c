"""What a refusal that is about a template leads to, and what stands for one that is dead."""

import pytest

from models.enums import (
    HoldReason,
    SkipReason,
    TemplateStatus,
)
from models.orchestration import StageStep
from models.tables import (
    Enrollment,
    Send,
    Store,
    Template,
)
from storage.substitutions import end_substitution, substitute
from storage.template_states import lift_blocks, locked_template
from storage.templates import TemplateFacts, mirror
from tests.refusing import OTHER, Sending, broadcasts, events
from tests.worlds import (
    NOON,
    WABA,
    later,
)


async def test_a_wrong_request_blocks_its_message_and_nobody_asks_again(sending: Sending) -> None:
    """132000: the sender holds, the next one holds without a request, and one event tells of it."""
    sending.meta.codes = [132000]
    first = await sending.send(await sending.ready())
    second = await sending.send(await sending.ready(OTHER))
    assert [one.hold_reason for one in (first, second)] == [HoldReason.TEMPLATE_HELD] * 2
    assert len(sending.meta.posted) == 1
    keys = {row.hold_key for row in await sending.world.rows(Enrollment)}
    assert len(keys) == 1
    assert await events(sending.world) == [("template.blocked", 132000)]
    async with sending.world.database.write() as session:
        template = await locked_template(session, WABA, "winback_hello", "en")
        assert template is not None
        assert lift_blocks(session, template, now=NOON) == 1
    assert set(await broadcasts(sending.world)) == keys
    assert (await sending.send("enr-2")).step is StageStep.ACCEPTED


@pytest.mark.parametrize(("body", "released"), [("Hello {{1}}", False), ("Dear {{1}}", True)])
async def test_another_content_at_meta_releases_what_was_blocked(sending: Sending, body: str, released: bool) -> None:  # noqa: FBT001 - pytest hands it in
    """The list that Meta tells with the same content releases nobody; a changed template everybody."""
    enrollment = await sending.ready()
    sending.meta.codes = [132012]
    await sending.send(enrollment)
    (row,) = await sending.world.rows(Enrollment)
    listed = TemplateFacts(
        name="winback_hello",
        language="en",
        status=TemplateStatus.APPROVED,
        category="MARKETING",
        named_variables=False,
        variables=("1",),
        copy_code_index=None,
        body=body,
    )
    async with sending.world.database.write() as session:
        await mirror(session, WABA, [listed], now=later(minutes=5))
    assert await broadcasts(sending.world) == ([row.hold_key] if released else [])
    (template,) = await sending.world.rows(Template)
    assert bool(template.blocks) is not released


@pytest.mark.parametrize("code", [132005, 132018, 131062, 137000])
async def test_one_customers_values_block_nobody_else(sending: Sending, code: int) -> None:
    """What is wrong with one message alone skips that one."""
    sending.meta.codes = [code]
    assert (await sending.send(await sending.ready())).step is StageStep.SKIPPED
    (send,) = await sending.world.rows(Send)
    assert send.skip_reason is SkipReason.REQUEST_REFUSED
    assert (await sending.send(await sending.ready(OTHER))).step is StageStep.ACCEPTED
    assert await events(sending.world) == []


async def test_a_dead_template_skips_everybody_after_one_request(sending: Sending) -> None:
    """132016 marks the mirror: the next customer is skipped unasked, and people are told once."""
    sending.meta.codes = [132016]
    for phone in ("+447700900123", OTHER):
        assert (await sending.send(await sending.ready(phone))).step is StageStep.SKIPPED
    assert len(sending.meta.posted) == 1
    assert await events(sending.world) == [("template.status_changed", 132016)]


async def test_a_template_that_stands_for_a_dead_one_is_sent_in_its_place(sending: Sending) -> None:
    """The version names a dead template: with staff's decision the other one goes, and the send says for which."""
    await sending.open("winback_new")
    first = await sending.ready()
    async with sending.world.database.write() as session:
        template = await locked_template(session, WABA, "winback_hello", "en")
        store = await session.get(Store, sending.world.store_id)
        assert template is not None
        assert store is not None
        template.status = TemplateStatus.DISABLED
        await substitute(
            session, store, WABA, old="winback_hello", new="winback_new", language="en", journey_id=None, now=NOON
        )
    assert (await sending.send(first)).step is StageStep.ACCEPTED
    assert sending.meta.bodies[0]["template"]["name"] == "winback_new"  # type: ignore[index]
    (send,) = await sending.world.rows(Send)
    assert (send.template_name, send.substituted_for) == ("winback_new", "winback_hello")
    second = await sending.ready(OTHER)
    async with sending.world.database.write() as session:
        store = await session.get(Store, sending.world.store_id)
        assert store is not None
        await end_substitution(session, store, old="winback_hello", language=None, journey_id=None, now=NOON)
    assert (await sending.send(second)).step is StageStep.SKIPPED
    assert (await sending.world.rows(Send))[1].skip_reason is SkipReason.TEMPLATE_DEAD
