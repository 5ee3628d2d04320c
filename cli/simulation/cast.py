"""Who plays in a simulation with conversations: the people of the file, their chats and their carts.

The shop knows everybody in the file from the beginning, by name, language and consent, so that whoever they write to
or buy from is the same person, and so that the same file has the same customers in the same order.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from models.conversations_file import Cart, Conversation, ConversationsFile
from models.enums import ConsentState, MessageAuthor
from sandbox.chats import Chat, ChatEvent, Deed
from sandbox.shopify.records import CheckoutLine, CheckoutRecord
from sandbox.shopify.state import CustomerRecord, ShopState

_CONSENTED_BEFORE = timedelta(days=365)
_WRITES = {
    MessageAuthor.CUSTOMER: Deed.CUSTOMER_WRITES,
    MessageAuthor.AGENT: Deed.AGENT_WRITES,
    MessageAuthor.BOT: Deed.BOT_WRITES,
}

Moment = Callable[[datetime], datetime]
"""The virtual time of a moment of the file."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody and everything of a conversations file, on the virtual clock.

    Attributes:
        people: the shop's ids of the file's people, in its order.
        chats: by their number.
        carts: checkouts as they are left, by token.
        completed: when a checkout becomes an order by itself, by token.
    """

    people: tuple[int, ...] = ()
    chats: tuple[Chat, ...] = ()
    carts: tuple[CheckoutRecord, ...] = ()
    completed: tuple[tuple[str, datetime], ...] = ()

    @property
    def last_at(self) -> datetime | None:
        """When the last of it happens."""
        moments = [chat.events[-1].at for chat in self.chats]
        moments += [cart.updated_at for cart in self.carts]
        moments += [at for _, at in self.completed]
        return max(moments, default=None)


def cast_of(file: ConversationsFile, shop: ShopState, moment: Moment, opening: datetime) -> Cast:
    """Put the file's people into the shop, and their doings on the virtual clock."""
    numbers = _put_people([*file.conversations, *file.carts], shop, opening)
    first_number = max(shop.customers, default=0) + 1
    return Cast(
        people=tuple(dict.fromkeys(numbers.values())),
        chats=tuple(_chat(one, moment) for one in file.conversations),
        carts=tuple(
            _cart(one, first_number + place, numbers[one.phone], moment) for place, one in enumerate(file.carts)
        ),
        completed=tuple((one.checkout, moment(one.completed_at)) for one in file.carts if one.completed_at is not None),
    )


def _put_people(lines: Iterable[Conversation | Cart], shop: ShopState, opening: datetime) -> dict[str, int]:
    """The shop's id of everybody by phone; what an order file says of them stands."""
    numbers: dict[str, int] = {}
    new: dict[str, CustomerRecord] = {}
    fresh = itertools.count(max(shop.customers, default=0) + 1)
    for line in lines:
        known = shop.by_phone(line.phone)
        if known is None:
            known = new.get(line.phone) or CustomerRecord(id=next(fresh), phone=line.phone)
            new[line.phone] = _filled(known, line, opening)
        numbers[line.phone] = known.id
    shop.load(new.values())
    return numbers


def _filled(record: CustomerRecord, line: Conversation | Cart, opening: datetime) -> CustomerRecord:
    consent = line.consent if record.consent is ConsentState.NEVER_SUBSCRIBED else record.consent
    return replace(
        record,
        first_name=record.first_name or line.name,
        locale=line.language or record.locale,
        consent=consent,
        consent_updated_at=None if consent is ConsentState.NEVER_SUBSCRIBED else opening - _CONSENTED_BEFORE,
    )


def _chat(one: Conversation, moment: Moment) -> Chat:
    written = [(m.at, ChatEvent(m.at, _WRITES[m.author], message_id=m.id, text=m.text)) for m in one.messages]
    moved = [(move.at, ChatEvent(move.at, Deed.MOVE, column=move.column)) for move in one.moves]
    closed = [(at.at, ChatEvent(at.at, Deed.CLOSE)) for at in one.closes]
    opened = [(at.at, ChatEvent(at.at, Deed.REOPEN)) for at in one.reopens]
    events: list[ChatEvent] = []
    for at, event in sorted([*written, *moved, *closed, *opened], key=lambda pair: pair[0]):
        # Where the one calendar sets its clocks back and the other does not, what came later stays later.
        events.append(replace(event, at=max(moment(at), events[-1].at) if events else moment(at)))
    return Chat(
        conversation=one.conversation,
        phone=one.phone,
        name=one.name,
        column=one.column,
        context=one.context,
        events=tuple(events),
    )


def _cart(one: Cart, number: int, customer_id: int, moment: Moment) -> CheckoutRecord:
    at = moment(one.at)
    return CheckoutRecord(
        id=number,
        token=one.checkout,
        cart_token=f"cart-{one.checkout}",
        customer_id=customer_id,
        created_at=at,
        updated_at=at,
        currency=one.currency,
        lines=tuple(CheckoutLine(item.title, item.quantity) for item in one.items),
        phone=one.phone,
        locale=one.language,
        agreed=one.money.amount,
    )
