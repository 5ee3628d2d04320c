"""The stop-loss at work: asked wherever a failure or an opt-out is recorded, in that transaction, and nowhere else."""

from collections.abc import Iterable
from datetime import datetime

from sqlmodel import and_, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import AttemptStatus, EnrollmentState, JourneyState, PauseCause, SendState
from models.tables import Customer, Enrollment, Journey, Send, SendAttempt
from policies.stop_loss import WINDOW, Loss, fate_of, led_to_opt_out, loss_of
from storage.journeys import latest_version, parse_definition
from storage.pausing import pause_by_itself
from storage.stores import required_id
from storage.wakes import wake_upkeep


async def check_loss(session: AsyncSession, journey_id: int, *, now: datetime) -> bool:
    """Pause the journey if it has lost too many of its last messages; whether it does so now.

    It may be called under a customer's lock. Where somebody else holds the journey's row at this moment, the store's
    upkeep asks again a moment later.
    """
    await session.flush()
    journey = (await session.exec(select(Journey).where(Journey.id == journey_id))).one()
    version = await latest_version(session, journey_id)
    if journey.state is not JourneyState.ACTIVE or version is None:
        return False
    percent = parse_definition(version.definition).sending.stop_loss_percent
    if percent == 0:
        return False
    loss = await loss_since(session, journey_id, journey.resumed_at)
    if not loss.exceeds(percent):
        return False
    paused = await pause_by_itself(
        session,
        journey.store_id,
        PauseCause.STOP_LOSS,
        now=now,
        journey_id=journey_id,
        reason=_in_words(loss, percent),
        detail={
            "of": loss.decided,
            "failed": loss.failed,
            "opted_out": loss.opted_out,
            "percent": percent,
        },
    )
    if not paused:
        wake_upkeep(session, journey.store_id, now=now)
    return bool(paused)


async def check_losses(session: AsyncSession, journey_ids: Iterable[int], *, now: datetime) -> None:
    """The same for several journeys."""
    for journey_id in sorted(set(journey_ids)):
        await check_loss(session, journey_id, now=now)


async def check_store_losses(session: AsyncSession, store_id: int, *, now: datetime) -> None:
    """The same for every running journey of a store."""
    ids = await session.exec(
        select(Journey.id).where(Journey.store_id == store_id, Journey.state == JourneyState.ACTIVE)
    )
    await check_losses(session, [required_id(one) for one in ids], now=now)


async def loss_since(session: AsyncSession, journey_id: int, since: datetime | None) -> Loss:
    """What became of the journey's last messages, without those tried before `since`."""
    newest = (
        select(Send.id, Send.attempt)
        .where(Send.journey_id == journey_id, col(Send.attempt) > 0)
        .order_by(col(Send.id).desc())
        .limit(WINDOW)
        .subquery()
    )
    query = (
        select(Send.state, SendAttempt.status, SendAttempt.error_code, Send.opt_out_at)
        .join(newest, newest.c.id == Send.id)
        .join(SendAttempt, and_(col(SendAttempt.send_id) == newest.c.id, SendAttempt.number == newest.c.attempt))
    )
    if since is not None:
        query = query.where(SendAttempt.claimed_at >= since)
    rows = await session.exec(query)
    return loss_of(
        fate_of(SendState(state), AttemptStatus(status), code, opted_out=at is not None)
        for state, status, code, at in rows
    )


async def blame_for_opt_out(session: AsyncSession, customer: Customer, *, at: datetime, now: datetime) -> None:
    """Write an opt-out of a locked customer down at the message that led to it, if one did, and ask the stop-loss.

    It is the latest message that the customer was sent: if it came within three days, or if the passage that it
    belongs to still runs.
    """
    latest = (
        await session.exec(
            select(Send, Enrollment.state)
            .join(Enrollment, col(Enrollment.id) == Send.enrollment_id)
            .where(Send.customer_id == customer.id, Send.state == SendState.ACCEPTED)
            .order_by(col(Send.settled_at).desc())
            .limit(1)
        )
    ).first()
    if latest is None:
        return
    send, state = latest
    came_at = send.received_at or send.settled_at
    still_in_it = state is not EnrollmentState.CLOSED
    if send.opt_out_at is not None or came_at is None or not led_to_opt_out(came_at, at, still_in_it=still_in_it):
        return
    send.opt_out_at = at
    await check_loss(session, send.journey_id, now=now)


def _in_words(loss: Loss, percent: int) -> str:
    return (
        f"{PauseCause.STOP_LOSS.value}: {loss.lost} of {loss.decided} "
        f"({loss.failed} failed, {loss.opted_out} opted out; the limit is {percent}%)"
    )
