"""Conversations that a simulation lives through: what the customer writes, and what the shop's people do in the chat.

What the customer writes reaches Rekindle as WhatsApp's webhook, what an agent writes as WhatsApp's echo of it. The
shop's chat tool tells the rest by the staff API: what its bot writes, the card's column, the deal, closing. Each
conversation is a workflow on the simulation's Temporal server, so that it lives on the same clock as the journeys.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, assert_never

import httpx
from pydantic import BaseModel, ConfigDict
from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError

from sandbox.whatsapp.announcements import Announcements
from sandbox.whatsapp.cloud import WhatsAppSandbox

_PATIENCE = timedelta(minutes=5)
_LIVED_IN_A_RUN = 1_000
"""Events of a conversation in one workflow run: eleven events of history each."""
_STOP = "STOP"


class Deed(StrEnum):
    """What can happen in a conversation."""

    CUSTOMER_WRITES = "customer_writes"
    AGENT_WRITES = "agent_writes"
    BOT_WRITES = "bot_writes"
    MOVE = "move"
    CLOSE = "close"
    REOPEN = "reopen"


@dataclass(frozen=True, slots=True)
class ChatEvent:
    """One thing that happens in a conversation.

    Attributes:
        at: when, in whole seconds.
        message_id: the chat tool's own id of the message, of what was written.
        column: of a move; None takes the card off the board.
    """

    at: datetime
    deed: Deed
    message_id: str = ""
    text: str = field(default="", repr=False)
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation, with everything that will happen in it in order of time.

    Attributes:
        conversation: the chat tool's own id of it.
        phone: the customer's, E.164.
        name: as WhatsApp shows it.
        column: the card's at the beginning.
        context: what the tool knows of the deal from the beginning.
    """

    conversation: str
    phone: str = field(repr=False)
    name: str | None = field(repr=False)
    column: str | None
    context: dict[str, Any] = field(repr=False)
    events: tuple[ChatEvent, ...] = field(repr=False)


class ChatEventRef(BaseModel):
    """An event by its place: texts and phones stay out of Temporal."""

    model_config = ConfigDict(frozen=True)

    chat: int
    event: int


class ChatInput(BaseModel):
    """When the events of a chat happen, from one on."""

    model_config = ConfigDict(frozen=True)

    chat: int
    first: int
    moments: tuple[datetime, ...]


@workflow.defn
class ChatWorkflow:
    """One conversation."""

    @workflow.run
    async def run(self, plan: ChatInput) -> None:
        """Sleep until each event's time and let it happen."""
        for number, at in enumerate(plan.moments[:_LIVED_IN_A_RUN]):
            left = at - workflow.now()
            if left > timedelta(0):
                await workflow.sleep(left)
            await workflow.execute_activity(
                "live_chat_event",
                ChatEventRef(chat=plan.chat, event=plan.first + number),
                start_to_close_timeout=_PATIENCE,
            )
        rest = plan.moments[_LIVED_IN_A_RUN:]
        if rest:
            workflow.continue_as_new(ChatInput(chat=plan.chat, first=plan.first + _LIVED_IN_A_RUN, moments=rest))


class RefusedError(Exception):
    """The gateway did not take something; the text says what, without anybody's words."""


@dataclass(kw_only=True)
class Doors:
    """How a chat tool and WhatsApp reach the gateway.

    Attributes:
        whatsapp_url: the gateway's webhook for WhatsApp.
        api_url: of the staff API, without a slash at its end.
        api_key: opens it.
    """

    http: httpx.AsyncClient
    whatsapp_url: str
    api_url: str
    api_key: str = field(repr=False)


class Chats:
    """Lets the events of chats happen.

    Args:
        chats: by their number.
        whatsapp: where customers and agents write.
        doors: to the gateway.

    Attributes:
        refused: the first thing that the gateway did not take; nothing can be believed after it.
    """

    def __init__(self, chats: Sequence[Chat], whatsapp: WhatsAppSandbox, doors: Doors) -> None:
        self.chats = chats
        self._whatsapp = whatsapp
        self._agents = Announcements(whatsapp)
        self._doors = doors
        self._begun: set[int] = set()
        self._known: set[int] = set()
        self._written: dict[ChatEventRef, bytes] = {}
        self.refused: RefusedError | None = None

    async def live(self, ref: ChatEventRef, now: datetime) -> None:
        """Let one event happen; once more is as good as once.

        Raises:
            RefusedError: the gateway did not take it.
        """
        chat = self.chats[ref.chat]
        event = chat.events[ref.event]
        try:
            await self._begin(ref.chat, chat)
            await self._happen(ref, chat, event)
        except RefusedError as error:
            self.refused = self.refused or error
            raise
        if event.deed is Deed.CUSTOMER_WRITES:
            self._note_exit(chat, event, now)

    def _note_exit(self, chat: Chat, event: ChatEvent, now: datetime) -> None:
        """Whoever writes ends the journey that wrote to them last; whoever writes STOP, all that may come."""
        books = self._whatsapp.books
        enrollment = books.last_enrollment(chat.phone)
        if event.text.strip().upper() == _STOP:
            books.told_exit(chat.phone, now)
        elif enrollment is not None:
            books.told_exit(chat.phone, now, enrollment=enrollment)

    async def _begin(self, number: int, chat: Chat) -> None:
        """The card stands in its column before anything is said: whose it is, the first message tells."""
        if number in self._begun:
            return
        self._begun.add(number)
        at = chat.events[0].at.isoformat()
        if chat.column is not None:
            await self._tell(chat, "column", {"column": chat.column, "at": at})
        if chat.context:
            await self._tell(chat, "context", {"context": chat.context, "at": at})

    async def _happen(self, ref: ChatEventRef, chat: Chat, event: ChatEvent) -> None:
        at = event.at.isoformat()
        match event.deed:
            case Deed.CUSTOMER_WRITES | Deed.AGENT_WRITES:
                body = self._written.get(ref) or self._write(ref, chat, event)
                await self._post(chat, body)
                if ref.chat not in self._known:
                    await self._tell_message(chat, event, wamid=_id_in(body))
            case Deed.BOT_WRITES:
                await self._tell_message(chat, event)
            case Deed.MOVE:
                await self._tell(chat, "column", {"column": event.column, "at": at})
            case Deed.CLOSE:
                await self._tell(chat, "close", {"at": at})
            case Deed.REOPEN:
                await self._tell(chat, "reopen", {"at": at})
            case _:
                assert_never(event.deed)
        if event.text:
            self._known.add(ref.chat)

    def _write(self, ref: ChatEventRef, chat: Chat, event: ChatEvent) -> bytes:
        if event.deed is Deed.CUSTOMER_WRITES:
            body = self._whatsapp.inbound(chat.phone, event.text, event.at, name=chat.name)
        else:
            body = self._agents.staff_wrote(chat.phone, event.text, event.at)
        self._written[ref] = body
        return body

    async def _tell_message(self, chat: Chat, event: ChatEvent, *, wamid: str | None = None) -> None:
        """A message of the tool's own; with WhatsApp's id it only says whose the conversation is."""
        author = {Deed.CUSTOMER_WRITES: "customer", Deed.AGENT_WRITES: "agent"}.get(event.deed, "bot")
        message = {"id": event.message_id, "author": author, "text": event.text, "at": event.at.isoformat()}
        if wamid is not None:
            message["wamid"] = wamid
        await self._tell(chat, "messages", {"customer": {"phone": chat.phone}, "messages": [message]})

    async def _tell(self, chat: Chat, what: str, request: dict[str, Any]) -> None:
        answer = await self._doors.http.post(
            f"{self._doors.api_url}/conversations/{chat.conversation}/{what}",
            json=request,
            headers={"Authorization": f"Bearer {self._doors.api_key}"},
        )
        _check(answer, f"{what} of {chat.conversation}")

    async def _post(self, chat: Chat, body: bytes) -> None:
        headers = {"X-Hub-Signature-256": self._whatsapp.sign(body), "Content-Type": "application/json"}
        answer = await self._doors.http.post(self._doors.whatsapp_url, content=body, headers=headers)
        _check(answer, f"a message of {chat.conversation}")


class ChatActivities:
    """What happens in conversations, as the workflows' activity.

    Args:
        chats: lets it happen.
        settle: returns when everything that the gateway took has reached Temporal: the clock may jump right after.
    """

    def __init__(self, chats: Chats, settle: Callable[[], Awaitable[object]]) -> None:
        self._chats = chats
        self._settle = settle

    @activity.defn
    async def live_chat_event(self, ref: ChatEventRef) -> None:
        """Let it happen, and wait until everybody knows."""
        at = activity.info().started_time
        try:
            await self._chats.live(ref, at)
        except RefusedError as error:
            raise ApplicationError(str(error), non_retryable=True) from None
        await self._settle()


def _check(answer: httpx.Response, what: str) -> None:
    if answer.is_client_error:
        msg = f"the gateway refused {what} ({answer.status_code})"
        raise RefusedError(msg)
    answer.raise_for_status()


def _id_in(body: bytes) -> str:
    """WhatsApp's id of the one message in a webhook body."""
    value = json.loads(body)["entry"][0]["changes"][0]["value"]
    found: str = (value.get("messages") or value["message_echoes"])[0]["id"]
    return found
