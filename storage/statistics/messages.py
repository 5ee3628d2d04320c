"""What became of a journey's messages: one for each stage of each passage, however many attempts it took."""

from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, and_, case, func, or_, select

from models.enums import AttemptStatus, EventKind, SendState, SkipReason
from policies.opt_out import OptOutSource
from storage.engine import LARGEST_ID
from storage.statistics.facts import Fact, Source, computed_once, flag
from storage.statistics.scope import Scope
from storage.statistics.tables import (
    ATTEMPTS,
    CHAT_MESSAGES,
    CONVERSATIONS,
    CUSTOMERS,
    ENROLLMENTS,
    EVENTS,
    SENDS,
    Query,
    pick,
)

NO_CODE: Final = -1
"""Stands for a failure without a code of WhatsApp's."""

_NO_CODE: Final = "no_code"
FAILED: Final = "failed"
SKIPPED: Final = "skipped"
OPTED_OUT: Final = "opted_out"


def message_key(word: str, stage: int | None = None) -> str:
    """The key of a number of messages: of all, or of one stage, which counts from 0 here and from 1 in its name."""
    if stage is None:
        return word if word == OPTED_OUT else f"messages:{word}"
    return f"stage:{stage + 1}:{word}"


def failure_key(code: int) -> str:
    """The word for messages that failed with a code of WhatsApp's, or with none."""
    return f"{FAILED}:{_NO_CODE if code == NO_CODE else code}"


def failure_code(word: str) -> int | None:
    """The code that stands behind `failed:` in a key; None if it is none."""
    return NO_CODE if word == _NO_CODE else parse_number(word)


def parse_number(text: str) -> int | None:
    """A number that the database can compare with; None if the text is no such number."""
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(LARGEST_ID)):
        return None
    return int(text) if int(text) <= LARGEST_ID else None


def reached(send: FromClause = SENDS) -> ColumnElement[bool]:
    """Whether WhatsApp has taken the message; of one that was given up it may have told so later."""
    return or_(
        send.c.state == SendState.ACCEPTED,
        and_(send.c.state == SendState.PARKED, send.c.received_at.is_not(None)),
    )


def messages(scope: Scope) -> Source:
    """The messages of the period; `stage` counts from 0, `code` is that of a message that failed.

    A message's moment is when its stage was over: for one that was sent, its acceptance. Until then it is that of the
    last thing that happened to it.
    """
    rows = computed_once(_with_replies(scope), "message_facts")
    row = rows.c
    conditions = {
        "sent": row.state == SendState.ACCEPTED,
        "possibly_sent": row.state.in_([SendState.UNKNOWN, SendState.PARKED]),
        "delivered": row.received_at.is_not(None),
        "read": row.was_read == 1,
        "replied": row.replied_at.is_not(None),
        FAILED: row.code.is_not(None),
        SKIPPED: row.state == SendState.SKIPPED,
        OPTED_OUT: row.opt_out_at.is_not(None),
        **{f"state:{state}": row.state == state for state in SendState},
        **{
            f"{SKIPPED}:{reason}": and_(row.state == SendState.SKIPPED, row.skip_reason == reason)
            for reason in SkipReason
        },
    }
    facts = {word: Fact(condition, row.at) for word, condition in conditions.items()}
    names = ("enrollment_id", "stage", "state", "code")
    return Source(rows, facts, {name: row[name] for name in names} | {"reason": row.skip_reason})


def _plain(scope: Scope) -> Query:
    """Each message with its newest attempt and its passage."""
    newest, read = ATTEMPTS.alias(), ATTEMPTS.alias()
    at = func.coalesce(
        SENDS.c.settled_at,
        newest.c.accepted_at,
        newest.c.failed_at,
        newest.c.claimed_at,
        SENDS.c.drafted_at,
        SENDS.c.checked_at,
        ENROLLMENTS.c.entered_at,
    )
    failed = and_(newest.c.status == AttemptStatus.FAILED, SENDS.c.state != SendState.SKIPPED)
    was_read = select(read.c.id).where(read.c.send_id == SENDS.c.id, read.c.read_at.is_not(None)).exists()
    return (
        pick(
            SENDS.c.id,
            SENDS.c.enrollment_id,
            SENDS.c.customer_id,
            ENROLLMENTS.c.version_id,
            ENROLLMENTS.c.closed_at,
            CUSTOMERS.c.erased_at,
            SENDS.c.stage,
            SENDS.c.occurrence,
            SENDS.c.state,
            SENDS.c.skip_reason,
            SENDS.c.received_at,
            SENDS.c.opt_out_at,
            at.label("at"),
            flag(reached()).label("reached"),
            flag(was_read).label("was_read"),
            case((failed, func.coalesce(newest.c.error_code, NO_CODE))).label("code"),
        )
        .select_from(SENDS)
        .join(ENROLLMENTS, ENROLLMENTS.c.id == SENDS.c.enrollment_id)
        .join(CUSTOMERS, CUSTOMERS.c.id == SENDS.c.customer_id)
        .join(newest, and_(newest.c.send_id == SENDS.c.id, newest.c.number == SENDS.c.attempt), isouter=True)
        .where(SENDS.c.journey_id == scope.journey_id)
    )


def _with_replies(scope: Scope) -> Query:
    """Each message with the first thing that its customer wrote after it, before the next one, in its passage.

    Joined and grouped rather than asked for row by row: of tables that were filled a moment ago PostgreSQL knows
    nothing, and would read all messages of all chats for each row.
    """
    plain = _plain(scope).subquery("plain")
    following = func.lead(plain.c.at).over(
        partition_by=[plain.c.enrollment_id, plain.c.reached],
        order_by=[plain.c.at, plain.c.stage, plain.c.occurrence, plain.c.id],
    )
    timed = pick(*plain.c, following.label("next_at")).subquery("timed")
    row = timed.c

    def heard(at: ColumnElement[Any]) -> ColumnElement[bool]:
        return and_(
            row.reached == 1,
            at > row.at,
            or_(row.next_at.is_(None), at < row.next_at),
            or_(row.closed_at.is_(None), at <= row.closed_at),
        )

    wrote = and_(
        CHAT_MESSAGES.c.conversation_id == CONVERSATIONS.c.id, CHAT_MESSAGES.c.inbound, heard(CHAT_MESSAGES.c.at)
    )
    # The words of somebody who was erased are gone; that they were written is still on record.
    a_message = or_(EVENTS.c.kind == EventKind.CUSTOMER_REPLIED, EVENTS.c.source == OptOutSource.STOP_WORD)
    told = and_(
        row.erased_at.is_not(None), EVENTS.c.customer_id == row.customer_id, a_message, heard(EVENTS.c.occurred_at)
    )
    replied_at = func.coalesce(func.min(CHAT_MESSAGES.c.at), func.min(EVENTS.c.occurred_at))
    return (
        pick(*row, replied_at.label("replied_at"))
        .select_from(timed)
        # One after the other: joined with each other first, SQLite would read all chats for each row.
        .join(CONVERSATIONS, CONVERSATIONS.c.customer_id == row.customer_id, isouter=True)
        .join(CHAT_MESSAGES, wrote, isouter=True)
        .join(EVENTS, told, isouter=True)
        .where(*scope.period.holds(row.at))
        .group_by(row.id, *(column for column in row if column is not row.id))
    )
