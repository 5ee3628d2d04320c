"""What the merchant's chat tool tells of its conversations: messages, the card's column, the deal, closing."""

from http import HTTPStatus

from fastapi import APIRouter

from gateway.api.answers import ConversationDocument
from gateway.api.guard import Caller, Marketer, TheGateway
from gateway.api.people import address_of
from gateway.api.problems import ApiError
from gateway.api.requests import (
    ChangeRequest,
    ColumnRequest,
    ContextRequest,
    ConversationId,
    MessagesRequest,
    ToldMessage,
)
from gateway.api.responses import WHOSE
from gateway.api.stores import store_of
from gateway.state import Gateway
from storage.chat_tool import (
    Told,
    WhoseConversationError,
    tell_column,
    tell_context,
    tell_messages,
    tell_open,
)
from storage.conversations import Spoken

router = APIRouter(prefix="/conversations/{conversation_id}", tags=["conversations"])


@router.post("/messages", responses={409: WHOSE}, summary="Tell what was said")
async def messages(
    conversation_id: ConversationId, request: MessagesRequest, caller: Marketer, gateway: TheGateway
) -> ConversationDocument:
    """Up to a hundred messages of one conversation, in any order and as often as you like: each id is taken once.

    A customer's message is a reply (or a stop, if it is a stop word) and ends the journey that runs. An agent's or a
    bot's begins a silence. `at` in the future counts as now. Messages that WhatsApp tells us of too are recognised by
    `wamid`.
    """
    now = gateway.clock()
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        try:
            told = await tell_messages(
                session,
                parts,
                conversation_id,
                [_spoken(one) for one in request.messages],
                who=address_of(parts, request.customer) if request.customer is not None else None,
                now=now,
            )
        except WhoseConversationError:
            raise ApiError(HTTPStatus.CONFLICT, "the conversation is new: say with whom it is, in `customer`") from None
    gateway.wake()
    return _answer(told)


@router.post("/column", summary="Tell that the card was moved")
async def column(
    conversation_id: ConversationId, request: ColumnRequest, caller: Marketer, gateway: TheGateway
) -> ConversationDocument:
    """A follow-up that does not answer the new column ends with `moved_column`; the new column's may begin."""
    now = gateway.clock()
    at = min(request.at or now, now)
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        told = await tell_column(session, parts, conversation_id, request.column, at=at, now=now)
    gateway.wake()
    return _answer(told)


@router.post("/context", summary="Tell what is known of the deal")
async def context(
    conversation_id: ConversationId, request: ContextRequest, caller: Marketer, gateway: TheGateway
) -> ConversationDocument:
    """It replaces what was told before, whole. Messages may use it, and the model sees it."""
    now = gateway.clock()
    at = min(request.at or now, now)
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        told = await tell_context(session, parts, conversation_id, request.context, at=at)
    return _answer(told)


@router.post("/close", summary="Tell that the conversation was closed")
async def close(
    conversation_id: ConversationId, caller: Marketer, gateway: TheGateway, request: ChangeRequest | None = None
) -> ConversationDocument:
    """A follow-up that does not include closed conversations ends with `conversation_closed`."""
    return await _set_open(conversation_id, request, caller, gateway, is_open=False)


@router.post("/reopen", summary="Tell that the conversation was opened again")
async def reopen(
    conversation_id: ConversationId, caller: Marketer, gateway: TheGateway, request: ChangeRequest | None = None
) -> ConversationDocument:
    """A follow-up of its column may begin again when it has been silent for long enough."""
    return await _set_open(conversation_id, request, caller, gateway, is_open=True)


async def _set_open(
    conversation_id: str, request: ChangeRequest | None, caller: Caller, gateway: Gateway, *, is_open: bool
) -> ConversationDocument:
    now = gateway.clock()
    at = min((request.at if request is not None else None) or now, now)
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        told = await tell_open(session, parts, conversation_id, is_open=is_open, at=at, now=now)
    gateway.wake()
    return _answer(told)


def _spoken(one: ToldMessage) -> Spoken:
    return Spoken(author=one.author, kind=one.kind, text=one.text, at=one.at, wamid=one.wamid, external_id=one.id)


def _answer(told: Told) -> ConversationDocument:
    holder = told.conversation or told.ref
    return ConversationDocument(
        conversation_id=told.ref.external_id,
        known=told.conversation is not None,
        applied=told.applied,
        column=holder.board_column,
        is_open=holder.is_open is not False,
        silent_since=told.conversation.silent_since if told.conversation is not None else None,
    )
