"""Who has not entered: those who wait for a later day, and those whom a rule left out."""

from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, or_, select

from models.enums import LeftOut
from storage.decisions import counts
from storage.statistics.facts import Fact, Source, computed_once
from storage.statistics.scope import Scope
from storage.statistics.tables import CHECKOUTS, CONVERSATIONS, DECISIONS, PACED, WATCH_ANSWERS, Query, pick

LEFT_OUT = tuple(word for word in LeftOut if word is not LeftOut.PACED)
"""Why somebody did not enter; who is paced waits for a day and is not left out."""


def left_out(scope: Scope) -> Source:
    """Whom the newest decision of all left out, if it was taken in the period."""
    newest = (
        select(func.max(DECISIONS.c.id).label("id"))
        .where(DECISIONS.c.journey_id == scope.journey_id, counts())
        .group_by(DECISIONS.c.customer_id)
        .subquery("newest")
    )
    rows = computed_once(
        pick(
            DECISIONS.c.id,
            DECISIONS.c.customer_id,
            DECISIONS.c.version_id,
            DECISIONS.c.at,
            DECISIONS.c.outcome,
            DECISIONS.c.seen,
            DECISIONS.c.threshold,
        )
        .select_from(DECISIONS)
        .join(newest, newest.c.id == DECISIONS.c.id)
        .where(
            DECISIONS.c.outcome.in_([word.value for word in LEFT_OUT]),
            *scope.period.holds(DECISIONS.c.at),
        ),
        "left_out_facts",
    )
    row = rows.c
    facts = {
        "left_out": Fact(row.id.is_not(None), row.at),
        **{f"left_out:{word}": Fact(row.outcome == word.value, row.at) for word in LEFT_OUT},
    }
    return Source(rows, facts, {"reason": row.outcome, "seen": row.seen, "threshold": row.threshold})


def paced(scope: Scope) -> Source:
    """Who was given a later day of the period, which stands for the moment.

    Of a journey that watches: the silences and carts that are put off because the day is full; their moment is when
    they began.
    """
    if scope.watches:
        rows = computed_once(_put_off(scope), "put_off_facts")
        return Source(rows, {"paced": Fact(rows.c.id.is_not(None), rows.c.since)})
    rows = computed_once(
        pick(PACED.c.id, PACED.c.customer_id, PACED.c.version_id, PACED.c.day).where(
            PACED.c.journey_id == scope.journey_id, *scope.period.holds_day(PACED.c.day)
        ),
        "paced_facts",
    )
    return Source(rows, {"paced": Fact(rows.c.id.is_not(None), rows.c.day)})


def _put_off(scope: Scope) -> Query:
    newest_version = scope.versions[-1].id if scope.versions else 0
    customer_id: ColumnElement[Any] = func.coalesce(CONVERSATIONS.c.customer_id, CHECKOUTS.c.customer_id)
    still = or_(CONVERSATIONS.c.silent_since == WATCH_ANSWERS.c.since, CHECKOUTS.c.idle_since == WATCH_ANSWERS.c.since)
    return (
        pick(
            WATCH_ANSWERS.c.id,
            customer_id.label("customer_id"),
            literal(newest_version).label("version_id"),
            WATCH_ANSWERS.c.since,
        )
        .select_from(WATCH_ANSWERS)
        .join(CONVERSATIONS, CONVERSATIONS.c.id == WATCH_ANSWERS.c.conversation_id, isouter=True)
        .join(CHECKOUTS, CHECKOUTS.c.id == WATCH_ANSWERS.c.checkout_id, isouter=True)
        .where(
            and_(
                WATCH_ANSWERS.c.journey_id == scope.journey_id,
                WATCH_ANSWERS.c.outcome == LeftOut.PACED.value,
                still,
                *scope.period.holds(WATCH_ANSWERS.c.since),
            )
        )
    )
