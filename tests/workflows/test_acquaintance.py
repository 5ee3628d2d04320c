"""Whom a chat or a cart is of: the shop is asked before anybody is judged, once, and need not answer for a chat."""

import dataclasses

from sqlmodel import select

from models.enums import ConsentState, LeftOut
from models.tables import Customer, Enrollment, EntryDecision
from sandbox.shopify.faults import Fault
from storage.customers import lock_customer
from tests.silences import cart_journey, follow_up, leave_cart
from tests.stack import Person, Stack
from tests.watching import looked, silent, watch


async def _stranger(stack: Stack, *, by_phone: bool = False) -> Person:
    """A customer of the shop's of whom it has told nothing here but the number, or not even that."""
    person = await stack.person()
    async with stack.database.write() as session:
        customer = await lock_customer(session, person.id)
        customer.first_name = None
        customer.consent, customer.consent_at = ConsentState.NEVER_SUBSCRIBED, None
        customer.last_order_at = customer.last_order_external_id = None
        customer.last_order_minor = customer.last_order_currency = None
        if by_phone:
            customer.external_id = None
    return person


async def _known(stack: Stack, person: Person) -> Customer:
    async with stack.database.read() as session:
        return (await session.exec(select(Customer).where(Customer.phone == person.phone))).one()


async def _entered(stack: Stack) -> list[Enrollment]:
    rows: list[Enrollment] = await stack.rows(Enrollment)
    stack.started += [one.id for one in rows if one.id not in stack.started]
    return rows


async def test_a_cart_of_somebody_who_consented_at_the_shop_long_ago_is_followed(stack: Stack) -> None:
    """Consent that was given before we were installed is known at the shop alone, and it is asked."""
    person = await _stranger(stack)
    await watch(stack, cart_journey())
    await leave_cart(stack.database, person.id, store_id=stack.store.id, at=await stack.now())
    await stack.settle()
    await stack.advance(minutes=65)
    await stack.until(lambda: _entered(stack))
    known = await _known(stack, person)
    assert (known.consent, known.first_name) == (ConsentState.SUBSCRIBED, "Ada")


async def test_a_cart_of_somebody_without_consent_at_the_shop_is_left(stack: Stack) -> None:
    """The shop's no is an answer."""
    person = await _stranger(stack)
    record = stack.shop.customers[person.shop_id]
    stack.shop.put_customer(dataclasses.replace(record, consent=ConsentState.UNSUBSCRIBED))
    await watch(stack, cart_journey())
    await leave_cart(stack.database, person.id, store_id=stack.store.id, at=await stack.now())
    await stack.settle()
    await stack.advance(minutes=65)
    (decision,) = await stack.until(lambda: stack.rows(EntryDecision))
    assert decision.outcome in (LeftOut.UNSUBSCRIBED, LeftOut.NO_CONSENT)
    assert await stack.rows(Enrollment) == []


async def test_a_cart_waits_for_a_shop_that_cannot_answer(stack: Stack) -> None:
    """Nobody is left out for want of an answer: the shop is asked again."""
    person = await _stranger(stack)
    await watch(stack, cart_journey())
    await leave_cart(stack.database, person.id, store_id=stack.store.id, at=await stack.now())
    await stack.settle()
    stack.shopify.faults.add(Fault(status=503, times=3))
    await stack.advance(hours=2)
    await stack.until(lambda: _entered(stack))


async def test_somebody_met_in_a_chat_is_recognised_by_the_phone(stack: Stack) -> None:
    """The shop's customer is found by the number, so that a purchase is seen and a name is known."""
    person = await _stranger(stack, by_phone=True)
    journey_id = await watch(stack, follow_up())
    await silent(stack, person)
    await stack.advance(hours=2, minutes=1)
    await stack.until(lambda: _entered(stack))
    await looked(stack, journey_id)
    known = await _known(stack, person)
    assert (known.external_id, known.first_name) == (str(person.shop_id), "Ada")


async def test_a_chat_goes_on_without_a_shop_that_cannot_answer(stack: Stack) -> None:
    """A shop that is away keeps no conversation from its follow-up."""
    person = await _stranger(stack)
    await watch(stack, follow_up())
    await silent(stack, person)
    stack.shopify.faults.add(Fault(status=503, operation="nodes"))
    await stack.advance(hours=2, minutes=1)
    await stack.until(lambda: _entered(stack))
