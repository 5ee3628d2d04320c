"""A finding on its way to an enrollment: who is asked whether the customer has bought, and what keeps them out."""

from typing import Any
from unittest import mock

import pytest

from activities.follow_up import FollowUpActivities
from models.enums import EnrollmentState, ExitReason, JourneyState, MessageAuthor, ReviewOutcome
from models.tables import ConversationAnalysis, Customer, Enrollment, Order, OutgoingEvent, Review, Store
from providers.crm import CrmAnswer
from providers.errors import CredentialRefused, NotSent
from sandbox.shopify.faults import Fault
from storage.analyses import Settled
from storage.endpoints import add_endpoint
from storage.findings import open_finding
from tests.quiet_chats import our_side_says
from tests.stack import Person, Stack
from tests.tracked import begin_run, outcomes, run, tracking, wants


async def word(stack: Stack, person: Person, key: str = "run-1", **changes: Any) -> str:
    """What a run comes to about that customer."""
    await run(stack, tracking(**changes), key=key)
    return (await outcomes(stack))[person.id]


async def test_a_shop_that_gives_no_answer_lets_nobody_be_written_to(stack: Stack) -> None:
    """After some minutes of trying the finding is left out as not verified, and says so."""
    person = await wants(stack)
    stack.shopify.faults.add(Fault(status=500, times=1000))
    handle = await begin_run(stack, tracking())
    await stack.until(lambda: _is_detected(stack))
    await stack.advance(minutes=10)
    assert (await handle.result()).phase == "done"
    assert await outcomes(stack) == {person.id: "not_verified"}
    (review,) = await stack.rows(Review)
    assert review.seen.startswith("shopify gave no answer")
    assert not await stack.rows(Enrollment)


async def _is_detected(stack: Stack) -> bool:
    return "detected" in (await outcomes(stack)).values()


async def test_a_shop_that_refuses_us_stops_the_run_and_the_finding_waits(stack: Stack) -> None:
    """The journeys are paused by it; when it lets us in again the next run follows up without asking the model."""
    person = await wants(stack)
    stack.shopify.faults.add(Fault(status=401))
    assert (await run(stack, tracking())).stop_reason == "journey_paused"
    assert await outcomes(stack) == {person.id: "detected"}
    assert await word(stack, person, "run-2") == "enrolled"
    assert stack.llm.requests == 1


async def test_a_customer_whom_the_shop_has_not_named_is_found_by_phone(stack: Stack) -> None:
    """They wrote to us and bought as somebody whom we know by nothing but their number."""
    person = await wants(stack)
    async with stack.database.write() as session:
        customer = await session.get_one(Customer, person.id)
        customer.external_id = None
    await stack.buy(person, webhook=False)
    assert await word(stack, person) == "bought"
    (order,) = await stack.rows(Order)
    assert order.customer_id == person.id


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (CrmAnswer(bought=True), "bought"),
        (CrmAnswer(bought=False), "enrolled"),
        (NotSent(service="crm", operation="has_bought"), "not_verified"),
    ],
)
async def test_the_stores_own_crm_is_asked_too(stack: Stack, answer: Any, expected: str) -> None:
    """Its yes keeps the customer out as the shop's does; without its answer nobody is written to."""
    person = await wants(stack)
    await _has_crm(stack)
    asked = mock.AsyncMock(side_effect=[answer, CrmAnswer(bought=False)])
    with (
        mock.patch.object(type(stack.services.crm), "has_bought", asked),
        mock.patch("activities.follow_up._PATIENCE", 1),
    ):
        assert await word(stack, person) == expected
    assert asked.await_args is not None
    assert asked.await_args.kwargs["phone"] == person.phone
    (analysis,) = await stack.rows(ConversationAnalysis)
    assert analysis.order_found is {"bought": True, "enrolled": False}.get(expected)


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (CrmAnswer(bought=True), ExitReason.PURCHASED),
        (CredentialRefused(service="crm", operation="has_bought", status=401), ExitReason.NO_LONGER_ELIGIBLE),
    ],
)
async def test_the_crm_is_asked_again_before_a_message_that_has_waited(
    stack: Stack, later: Any, reason: ExitReason
) -> None:
    """Who bought there in the days before the first contact is not written to, nor anybody without its answer."""
    person = await wants(stack)
    await _has_crm(stack)
    answers = [CrmAnswer(bought=False), later]
    with mock.patch.object(type(stack.services.crm), "has_bought", mock.AsyncMock(side_effect=answers)):
        assert await word(stack, person, wait_days=2) == "enrolled"
        (enrollment,) = await stack.rows(Enrollment)
        await stack.advance(days=2, minutes=5)
        await stack.reaches(enrollment.id, EnrollmentState.CLOSED)
    (enrollment,) = await stack.rows(Enrollment)
    assert enrollment.exit_reason is reason
    assert stack.received() == []


async def test_who_is_known_by_phone_alone_is_looked_for_again_before_a_message_that_has_waited(stack: Stack) -> None:
    """They bought as somebody whom the shop has not named to us, and its webhook never came."""
    person = await wants(stack)
    async with stack.database.write() as session:
        (await session.get_one(Customer, person.id)).external_id = None
    assert await word(stack, person, wait_days=2) == "enrolled"
    (enrollment,) = await stack.rows(Enrollment)
    await stack.advance(minutes=1)  # the shop's times have no fractions: an order of the same second was before it
    await stack.buy(person, webhook=False)
    await stack.advance(days=2, minutes=5)
    await stack.reaches(enrollment.id, EnrollmentState.CLOSED)
    assert (await stack.rows(Enrollment))[0].exit_reason is ExitReason.PURCHASED
    assert stack.received() == []


async def test_a_crm_is_not_asked_about_somebody_whom_it_cannot_know(stack: Stack) -> None:
    """Known by WhatsApp's user id alone, they are followed up like anybody whom the shop does not know."""
    person = await wants(stack)
    await _has_crm(stack)
    async with stack.database.write() as session:
        customer = await session.get_one(Customer, person.id)
        customer.external_id, customer.phone, customer.wa_user_id = None, None, "GB.1"
    assert await word(stack, person) == "enrolled"


async def _has_crm(stack: Stack) -> None:
    async with stack.database.write() as session:
        store = await session.get_one(Store, stack.store.id)
        store.crm_url, store.crm_secret = "https://crm.example/has-bought", stack.cipher.encrypt("whsec_c2VjcmV0")


async def test_a_message_while_the_shop_is_asked_makes_the_suggestion_out_of_date(stack: Stack) -> None:
    """Somebody of the store's answers at that moment: nobody enters, and the next run reads the newer message."""
    person = await wants(stack)
    checked = FollowUpActivities._check

    async def slow(self: FollowUpActivities, *asked: Any) -> Any:
        await our_side_says(stack, person, "We have it in red, too.", author=MessageAuthor.AGENT)
        return await checked(self, *asked)

    with mock.patch.object(FollowUpActivities, "_check", slow):
        assert await word(stack, person) == "moved_on"
    assert not await stack.rows(Enrollment)


async def test_a_chat_that_is_joined_to_another_while_the_shop_is_asked_holds_nobody_up(stack: Stack) -> None:
    """Its review gives way to the other chat's of the same run, and the run goes on at once."""
    await wants(stack)
    checked = FollowUpActivities._check

    async def slow(self: FollowUpActivities, *asked: Any) -> Any:
        async with stack.database.write() as session:
            await session.delete(await session.get_one(Review, asked[0].review.id))
        return await checked(self, *asked)

    with mock.patch.object(FollowUpActivities, "_check", slow):
        progress = await run(stack, tracking())
    assert (progress.phase, progress.enrolled) == ("done", 0)
    async with stack.database.write() as session:
        assert await open_finding(session, 1, now=stack.clock()) == Settled(ReviewOutcome.LEFT_OUT)


async def test_the_days_number_and_the_holdout_count_as_for_every_journey(stack: Stack) -> None:
    """A control takes no place and no workflow runs of it; one a day enters, and a full day leaves both arms out."""
    held_out = await wants(stack)
    full = tracking(sending={"max_per_day": 1})
    with mock.patch("activities.follow_up.in_control", return_value=True):
        await run(stack, full)
    assert (await outcomes(stack))[held_out.id] == "control"
    (enrollment,) = await stack.rows(Enrollment, customer_id=held_out.id)
    assert enrollment.state is EnrollmentState.CONTROL
    people = [await wants(stack) for _ in range(2)]
    await run(stack, full, key="run-2")
    found = await outcomes(stack)
    assert sorted(found[one.id] for one in people) == ["enrolled", "paced"]
    person = await wants(stack)
    with mock.patch("activities.follow_up.in_control", return_value=True):
        await run(stack, full, key="run-3")
    assert (await outcomes(stack))[person.id] == "paced"


async def test_a_finding_is_told_to_the_stores_own_systems_once(stack: Stack) -> None:
    """`followup.detected` is written in the transaction that enrolls, and not for a control."""
    async with stack.database.write() as session:
        await add_endpoint(
            session,
            stack.store.id,
            url="https://hooks.example/rekindle",
            kinds=(),
            cipher=stack.cipher,
            now=stack.clock(),
        )
    person = await wants(stack)
    assert await word(stack, person) == "enrolled"
    (event,) = await stack.rows(OutgoingEvent)
    (analysis,) = await stack.rows(ConversationAnalysis)
    (enrollment,) = await stack.rows(Enrollment)
    assert (event.kind, event.analysis_id, event.enrollment_id) == ("followup.detected", analysis.id, enrollment.id)


async def test_a_journey_that_is_paused_at_the_last_moment_enrolls_nobody(stack: Stack) -> None:
    """The state is read again in the transaction that would enroll."""
    person = await wants(stack)
    checked = FollowUpActivities._check

    async def slow(self: FollowUpActivities, *asked: Any) -> Any:
        async with stack.database.write() as session:
            review = (await stack.rows(Review))[0]
            assert review.customer_id == person.id
            journey = await session.get_one(type(asked[0].scope.journey), asked[0].scope.journey.id)
            journey.state = JourneyState.PAUSED
        return await checked(self, *asked)

    with mock.patch.object(FollowUpActivities, "_check", slow):
        progress = await run(stack, tracking())
    assert (progress.stop_reason, progress.enrolled) == ("journey_paused", 0)
    assert not await stack.rows(Enrollment)


async def test_a_finding_that_was_put_off_is_followed_up_by_the_next_run(stack: Stack) -> None:
    """The day was full: the next day it enters, and no model is asked again."""
    for _ in range(2):
        await wants(stack)
    definition = tracking(sending={"max_per_day": 1}, window_hours=48)
    for day, key in enumerate(("run-1", "run-2", "run-3")):
        progress = await run(stack, definition, key=key)
        assert progress.enrolled == (day < 2)
        await stack.advance(days=1)
    assert len(await stack.rows(Enrollment)) == 2
    assert stack.llm.requests == 2
