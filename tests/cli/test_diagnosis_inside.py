"""What a customer in a journey, or out of it again, has had of it: the answer as support types for it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from models.enums import (
    AttemptStatus,
    EnrollmentState,
    EventKind,
    ExitReason,
    HoldReason,
    JourneyState,
    LeftOut,
    SendState,
    SkipReason,
)
from models.tables import (
    CustomerEvent,
    Enrollment,
    Journey,
    TimelineEntry,
)
from storage.customers import lock_customer
from storage.stopping import stop_customer
from tests.cli.conftest import Scene
from tests.supporting import DAY, NOW, START, Support, asked_about


@pytest.fixture
async def support(scene: Scene) -> Support:
    """A store with an active win-back, and a customer whose last order is seventy days old."""
    return await asked_about(scene)


# --- in it -----------------------------------------------------------------------------------------------------------


async def test_entered_and_waits(support: Support) -> None:
    """Version, which message of how many, and when it is due by the store's clock and in UTC."""
    enrollment = await support.world.enroll(support.customer, stage=1, due_at=NOW + DAY)
    await support.sent(
        enrollment,
        0,
        SendState.ACCEPTED,
        status=AttemptStatus.READ,
        accepted_at=START,
        delivered_at=START,
        read_at=START + timedelta(minutes=5),
    )
    found = await support.why()
    assert (found["code"], found["until"]) == ("entered", "2026-03-05T09:00:00Z")
    assert "In it (version 1)" in found["text"]
    assert "message 2 of 2 is due Thu 2026-03-05 09:00 Europe/London (2026-03-05 09:00 UTC)" in found["text"]
    assert "Message 1 of 2 was read Mon 2026-03-02 09:05" in found["text"]


@pytest.mark.parametrize(
    ("reason", "text", "advice"),
    [
        (HoldReason.NO_CREDITS, "there are no credits left", "pay in: `credits add`"),
        (HoldReason.HOURS, "outside the sending hours", None),
        (HoldReason.JOURNEY_PAUSED, "the journey is paused: stock is out", "`resume lapsed-60-days`"),
        (HoldReason.APPROVAL, "a person has to approve the text", "`approve 1"),
    ],
)
async def test_held(support: Support, reason: HoldReason, text: str, advice: str | None) -> None:
    """Why, since when, until when or for what, and what to do."""
    if reason is HoldReason.JOURNEY_PAUSED:
        await support.change(Journey, 1, state=JourneyState.PAUSED, state_reason="stock is out")
    enrollment = await support.world.enroll(
        support.customer,
        state=EnrollmentState.HOLDING,
        hold_reason=reason,
        stage_due_at=START,
        due_at=NOW + DAY if reason is HoldReason.HOURS else None,
    )
    if reason is HoldReason.APPROVAL:
        await support.sent(enrollment, 0, SendState.DRAFTED)
    async with support.world.database.write() as session:
        session.add(TimelineEntry(enrollment_id=enrollment, at=NOW - DAY, stage=0, what="holding", reason=reason.value))
    found = await support.why()
    assert (found["code"], found["since"]) == ("held", "2026-03-03T09:00:00Z")
    assert text in found["text"]
    assert found["until"] == ("2026-03-05T09:00:00Z" if reason is HoldReason.HOURS else None)
    assert found["advice"] is None if advice is None else advice in found["advice"]


@pytest.mark.parametrize(
    ("state", "attempt", "code", "text", "advice"),
    [
        (
            SendState.ACCEPTED,
            {"status": AttemptStatus.DELIVERED, "accepted_at": START, "delivered_at": START},
            "sent",
            "message 2 of 2 was delivered Mon 2026-03-02 09:00 Europe/London",
            None,
        ),
        (
            SendState.ACCEPTED,
            {"status": AttemptStatus.SENT, "accepted_at": START, "sent_at": START},
            "not_delivered",
            "which has never said that it was delivered",
            "a phone that is switched off",
        ),
        (
            SendState.FAILED,
            {"status": AttemptStatus.FAILED, "error_code": 131049, "failed_at": START},
            "failed",
            "with code 131049. Meta limits how much marketing this person gets",
            "nothing to do",
        ),
        (
            SendState.PARKED,
            {"status": AttemptStatus.UNKNOWN},
            "possibly_sent",
            "nobody knows whether it went, and it is never sent again",
            "`sends settle ID --sent`",
        ),
    ],
    ids=["sent", "not delivered", "failed", "possibly sent"],
)
async def test_what_became_of_the_last_message(
    support: Support, state: SendState, attempt: dict[str, Any], code: str, text: str, advice: str | None
) -> None:
    """Delivered, taken and never delivered, refused with Meta's code in plain words, or nobody knows; what to do."""
    enrollment = await support.world.enroll(
        support.customer, state=EnrollmentState.WATCHING, stage=2, due_at=NOW + 5 * DAY
    )
    await support.sent(enrollment, 1, state, **attempt)
    found = await support.why()
    assert (found["code"], found["until"]) == (code, "2026-03-09T09:00:00Z")
    assert text in found["text"]
    assert found["advice"] is None if advice is None else advice in found["advice"]


async def test_skipped(support: Support) -> None:
    """Why it was passed over, although nothing was ever written for it."""
    enrollment = await support.world.enroll(
        support.customer, state=EnrollmentState.WATCHING, stage=2, due_at=NOW + 5 * DAY
    )
    async with support.world.database.write() as session:
        session.add(
            TimelineEntry(
                enrollment_id=enrollment, at=START, stage=1, what="skipped", reason=SkipReason.SMART_SENDING.value
            )
        )
    found = await support.why()
    assert (found["code"], found["since"]) == ("skipped", "2026-03-02T09:00:00Z")
    assert "passed over (another journey wrote to the customer recently)" in found["text"]


# --- over ------------------------------------------------------------------------------------------------------------


async def _replied(support: Support, enrollment: str) -> ExitReason:
    async with support.world.database.write() as session:
        event = CustomerEvent(
            store_id=1,
            customer_id=support.customer,
            kind=EventKind.CUSTOMER_REPLIED,
            exit_reason=ExitReason.CUSTOMER_REPLIED,
            occurred_at=START + timedelta(hours=1),
            received_at=START + timedelta(hours=1),
            source="whatsapp",
            dedupe_key="whatsapp:1",
        )
        session.add(event)
        await session.flush()
        row = await session.get_one(Enrollment, enrollment)
        row.exit_event_id = event.id
    return ExitReason.CUSTOMER_REPLIED


async def _stopped(support: Support, enrollment: str) -> ExitReason:
    async with support.world.database.write() as session:
        await lock_customer(session, support.customer)
        await stop_customer(session, 1, support.customer, now=START + timedelta(hours=1))
        await session.flush()
        event = (await session.exec(select(CustomerEvent).order_by(col(CustomerEvent.id).desc()))).first()
        assert event is not None
        row = await session.get_one(Enrollment, enrollment)
        row.exit_event_id = event.id
    return ExitReason.STOPPED_BY_STAFF


@pytest.mark.parametrize(
    ("happens", "event"),
    [
        (_replied, "they wrote Mon 2026-03-02 10:00 Europe/London (2026-03-02 10:00 UTC), told by WhatsApp"),
        (_stopped, "by staff"),
    ],
    ids=["reply", "staff"],
)
async def test_exited(support: Support, happens: Callable[[Support, str], Awaitable[ExitReason]], event: str) -> None:
    """The reason, the event, its time, and who caused it; with what had gone out before."""
    enrollment = await support.world.enroll(support.customer)
    reason = await happens(support, enrollment)
    at = START + timedelta(hours=2)
    await support.change(Enrollment, enrollment, state=EnrollmentState.CLOSED, exit_reason=reason, closed_at=at)
    found = await support.why()
    assert (found["code"], found["since"]) == ("exited", "2026-03-02T11:00:00Z")
    assert f"ended Mon 2026-03-02 11:00 Europe/London (2026-03-02 11:00 UTC) with {reason.value}" in found["text"]
    assert event in found["text"]
    assert "No message had gone out." in found["text"]


async def test_left_out_after_an_earlier_passage(support: Support) -> None:
    """The newer fact is the answer, and the passage before is told with it; an older decision is not."""
    enrollment = await support.world.enroll(support.customer)
    closed = {"state": EnrollmentState.CLOSED, "exit_reason": ExitReason.COMPLETED, "closed_at": START + DAY}
    await support.change(Enrollment, enrollment, **closed)
    await support.decided(LeftOut.IN_OTHER_JOURNEY.value, "in lapsed-60-days, priority 50", "in no journey", START)
    assert (await support.why())["code"] == "exited"
    await support.decided(LeftOut.RE_ENTRY.value, "last entry 1 days ago", "90 x 24 hours", NOW)
    found = await support.why()
    assert (found["code"], "They were in it before" in found["text"]) == ("left_out", True)
