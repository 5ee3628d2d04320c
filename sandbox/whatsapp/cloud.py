"""The state behind the sandbox: numbers, windows, limits, the books, the webhooks to come, and what customers do."""

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from models.enums import TemplateStatus
from sandbox.whatsapp.blocks import AccountBlocks
from sandbox.whatsapp.books import AcceptedMessage, Books
from sandbox.whatsapp.events import inbound_body, preference_body, template_status_body
from sandbox.whatsapp.faults import Delay, DropResponse, FailLater, Fault, FaultScript, Hold, Refuse, ServerError
from sandbox.whatsapp.graph_errors import GraphRefusal
from sandbox.whatsapp.outbox import Account, Outbox
from sandbox.whatsapp.requests import SendRequest, read_send
from sandbox.whatsapp.statuses import schedule
from sandbox.whatsapp.templates import SandboxTemplate, TemplateRegistry, house_templates

_DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class SandboxNumber:
    """A business number and who may use it.

    Attributes:
        account: the number and its WABA.
        tokens: bearer tokens that may send from it and manage its WABA.
        verified_name: the name that customers see.
        may_send: what the number's `health_status` says.
    """

    account: Account
    tokens: frozenset[str]
    verified_name: str = "Sandbox Shop"
    may_send: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """How a send request is answered.

    Attributes:
        status: HTTP status.
        body: the JSON; None is an HTML page.
        headers: beyond the usual ones.
        delay: real seconds to wait before answering.
        broken: break the connection off instead of answering.
    """

    status: int
    body: dict[str, Any] | None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    broken: bool = False


class WhatsAppSandbox:
    """One Meta business portfolio, played locally and deterministically.

    Args:
        clock: the time, real or virtual.
        numbers: the business numbers; the first is the default of what customers do.
        app_secret: signs the webhooks.
        seed: changes every id and every draw.
        templates: of every WABA; the house's own by default.
        books: where accepted messages are entered.
        faults: what goes wrong.
        tier: distinct recipients per rolling 24 hours outside their windows, over all numbers; None is no limit.
            Meta documents no code for the limit; the sandbox answers 131048, whose documented cure (send nothing
            more for a day) is the right one.
        read_percent: how many of 100 messages are read.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        numbers: Sequence[SandboxNumber],
        app_secret: str,
        seed: int = 0,
        templates: Iterable[SandboxTemplate] | None = None,
        books: Books | None = None,
        faults: FaultScript | None = None,
        tier: int | None = None,
        read_percent: int = 70,
    ) -> None:
        self.clock = clock
        self.numbers = {number.account.phone_number_id: number for number in numbers}
        self.templates = TemplateRegistry(house_templates() if templates is None else templates)
        self.books = books if books is not None else Books()
        self.faults = faults if faults is not None else FaultScript()
        self.outbox = Outbox(app_secret)
        self.blocks = AccountBlocks()
        self.tier = tier
        self._seed = seed
        self._default = numbers[0]
        self._read_percent = read_percent
        self._windows: dict[tuple[str, str], datetime] = {}
        self._opted_out: set[str] = set()
        self._reached: dict[str, datetime] = {}  # business-initiated, least recently reached first
        self._occurrences: Counter[str] = Counter()

    def receive(self, number: SandboxNumber, body: Any) -> Reply:
        """Take or refuse a send request, whose token has been checked."""
        self.books.requests += 1
        try:
            return self._receive(number, body)
        except GraphRefusal as refusal:
            return self._refused(number, refusal)

    def due_webhooks(self, now: datetime, limit: int = 1000) -> list[bytes]:
        """The status webhooks that are due, taken out, at most `limit` updates a body."""
        return self.outbox.due_webhooks(now, limit)

    def sign(self, body: bytes) -> str:
        """The `X-Hub-Signature-256` header for these bytes."""
        return self.outbox.sign(body)

    def inbound(
        self,
        phone: str | None,
        text: str,
        at: datetime,
        *,
        user_id: str | None = None,
        name: str | None = None,
        context_id: str | None = None,
        number: SandboxNumber | None = None,
    ) -> bytes:
        """A customer writes: opens the 24-hour window and returns the webhook body, to be signed and posted."""
        piece = {"type": "text", "text": {"body": text}}
        return self._inbound(phone, piece, at, user_id, name, context_id, number or self._default)

    def inbound_button(
        self,
        phone: str | None,
        payload: str,
        label: str,
        at: datetime,
        *,
        user_id: str | None = None,
        name: str | None = None,
        context_id: str | None = None,
        number: SandboxNumber | None = None,
    ) -> bytes:
        """A customer taps a template's quick-reply button: as `inbound`."""
        piece = {"type": "button", "button": {"payload": payload, "text": label}}
        return self._inbound(phone, piece, at, user_id, name, context_id, number or self._default)

    def preference(
        self, phone: str, value: Literal["stop", "resume"], at: datetime, *, number: SandboxNumber | None = None
    ) -> bytes:
        """A customer stops or resumes marketing in WhatsApp itself; while stopped, marketing fails with 131050."""
        if value == "stop":
            self._opted_out.add(phone)
        else:
            self._opted_out.discard(phone)
        return preference_body((number or self._default).account, phone, value, at)

    def set_template_status(
        self, name: str, language: str, status: TemplateStatus, at: datetime, *, number: SandboxNumber | None = None
    ) -> bytes:
        """Meta changes a template's state: from now on it counts, and the returned webhook body tells of it.

        Raises:
            KeyError: there is no such template.
        """
        template = self.templates.get(name, language)
        if template is None:
            raise KeyError(f"no template {name} in {language}")
        template.status = status
        return template_status_body((number or self._default).account, template, at)

    def window_open(self, number: SandboxNumber, recipient: str, at: datetime) -> bool:
        """Whether free text may go to the recipient: their last message is less than 24 hours old."""
        opened = self._windows.get((number.account.phone_number_id, recipient))
        return opened is not None and at < opened + _DAY

    @property
    def default_number(self) -> SandboxNumber:
        """The number that customers write to where nothing else is said."""
        return self._default

    def new_message_id(self, direction: str, subject: str) -> str:
        """The id of the next message to or from somebody, the same in every run."""
        return self._nth_id(direction, subject)

    def _receive(self, number: SandboxNumber, body: Any) -> Reply:
        request = read_send(body, self.templates)
        faults = self.faults.take(request.recipient, request.callback_data)
        delay, answer = 0.0, None
        for fault in faults:
            match fault:
                case Delay():
                    delay = fault.seconds
                case Refuse():
                    refusal = GraphRefusal(
                        fault.code,
                        subcode=fault.subcode,
                        transient=fault.transient,
                        regain_minutes=fault.regain_minutes,
                    )
                    answer = self._refused(number, refusal, delay=delay)
                case ServerError() if not fault.accepted:
                    answer = Reply(500, None, delay=delay)
                case DropResponse() if not fault.accepted:
                    answer = Reply(500, None, delay=delay, broken=True)
                case _:
                    pass
        if answer is not None:
            return answer
        content = self._accept(number, request, faults)
        if any(isinstance(fault, ServerError) for fault in faults):
            return Reply(500, None, delay=delay)
        return Reply(200, content, delay=delay, broken=any(isinstance(fault, DropResponse) for fault in faults))

    def _accept(self, number: SandboxNumber, request: SendRequest, faults: tuple[Fault, ...]) -> dict[str, Any]:
        now = self.clock()
        account = number.account
        if request.recipient == f"+{account.display_phone_number}":
            raise GraphRefusal(131021)
        is_open = self.window_open(number, request.recipient, now)
        self.blocks.check(account.waba_id, now, window_open=is_open)
        if not is_open:
            if request.kind == "text":
                raise GraphRefusal(131047, "more than 24 hours have passed since the customer last wrote")
            self._count_towards_tier(request.recipient, now)
        wamid = self._wamid(account, request)
        message = AcceptedMessage(
            at=now,
            phone_number_id=account.phone_number_id,
            recipient=request.recipient,
            wamid=wamid,
            callback_data=request.callback_data,
            kind=request.kind,
            content=request.content,
            rendered=request.rendered,
        )
        self.books.accept(message)
        if request.category == "marketing" and request.recipient in self._opted_out:
            faults = (*faults, FailLater(131050))
        for step in schedule(wamid, request, now, faults, read_percent=self._read_percent):
            self.outbox.put(step.due, account, step.status)
        contact = {"input": request.recipient}
        contact |= {"user_id": request.recipient} if request.by_user_id else {"wa_id": request.recipient[1:]}
        taken = {"id": wamid}
        if request.kind == "template":
            held = any(isinstance(fault, Hold) for fault in faults)
            taken["message_status"] = "held_for_quality_assessment" if held else "accepted"
        return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [taken]}

    def _count_towards_tier(self, recipient: str, now: datetime) -> None:
        if self.tier is None:
            return
        while self._reached and next(iter(self._reached.values())) <= now - _DAY:
            del self._reached[next(iter(self._reached))]
        if recipient not in self._reached and len(self._reached) >= self.tier:
            raise GraphRefusal(131048, "the portfolio has reached its recipients of the last 24 hours")
        self._reached.pop(recipient, None)
        self._reached[recipient] = now

    def _refused(self, number: SandboxNumber, refusal: GraphRefusal, *, delay: float = 0.0) -> Reply:
        self.books.refused[refusal.code] += 1
        return refused(refusal, number.account.waba_id, delay=delay)

    def _inbound(
        self,
        phone: str | None,
        piece: dict[str, Any],
        at: datetime,
        user_id: str | None,
        name: str | None,
        context_id: str | None,
        number: SandboxNumber,
    ) -> bytes:
        for known in (phone, user_id):
            if known is not None:
                self._windows[number.account.phone_number_id, known] = at
        message = {"id": self._nth_id("in", phone or user_id or ""), **piece}
        return inbound_body(number.account, message, at, phone=phone, user_id=user_id, name=name, context_id=context_id)

    def _wamid(self, account: Account, request: SendRequest) -> str:
        """The same for the same message in every run, whatever else is sent at the same time."""
        return self._nth_id("out", f"{account.phone_number_id}/{request.recipient}/{request.callback_data}")

    def _nth_id(self, direction: str, subject: str) -> str:
        key = f"{direction}/{subject}"
        self._occurrences[key] += 1
        digest = hashlib.blake2b(f"{self._seed}/{key}/{self._occurrences[key]}".encode(), digest_size=24).digest()
        return "wamid." + base64.b64encode(digest).decode()


def refused(refusal: GraphRefusal, waba_id: str = "", *, delay: float = 0.0) -> Reply:
    """The answer that carries a Graph error."""
    headers: dict[str, str] = {}
    if refusal.regain_minutes is not None:
        usage = f'[{{"type":"whatsapp","call_count":100,"estimated_time_to_regain_access":{refusal.regain_minutes}}}]'
        headers["X-Business-Use-Case-Usage"] = f'{{"{waba_id}":{usage}}}'
    if refusal.status == 401:  # noqa: PLR2004 - HTTP Unauthorized
        headers["WWW-Authenticate"] = 'OAuth "Facebook Platform" "invalid_token"'
    return Reply(refusal.status, refusal.body(f"SANDBOX{refusal.code}"), headers, delay)
