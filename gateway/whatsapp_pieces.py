"""What WhatsApp's updates mean for the numbers whose app secret signed them, as pieces to ingest.

Nothing is refused here: what is about nobody of ours, or says nothing that we act on, is kept with the raw body only.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import assert_never

from gateway.credentials import NumberCredentials
from models.enums import TemplateStatus
from policies.account_events import effect_of
from policies.allowance import UNLIMITED
from providers.whatsapp.updates import (
    AccountUpdate,
    CapabilityUpdate,
    DeliveryStatus,
    Echo,
    InboundMessage,
    NumberChanged,
    PhoneQualityUpdate,
    ReportedErrors,
    StatusUpdate,
    TemplateCategoryUpdate,
    TemplateQualityUpdate,
    TemplateStatusUpdate,
    Unrecognised,
    Update,
    UserPreference,
)
from storage.ingest_accounts import (
    AccountNews,
    AccountPiece,
    LimitPiece,
    NumberQualityPiece,
    TemplateCategoryPiece,
    TemplateNews,
    TemplatePiece,
    TemplateQualityPiece,
)
from storage.ingest_messages import EchoPiece, MessagePiece, PersonPiece, PreferencePiece
from storage.ingest_whatsapp import WhatsAppPieces
from storage.number_changes import MovePiece
from storage.people import Address
from storage.statuses import Report, StatusPiece

_log = logging.getLogger(__name__)

_LONGEST_ID = 255
_LONGEST_USER_ID = 128
_LONGEST_KIND = 40
_LONGEST_KEY = 300
_FLAGS = {"FLAGGED": "FLAGGED", "UNFLAGGED": None}
"""The phone updates of older API versions that tell a number's quality."""

_REPORTS = {
    DeliveryStatus.SENT: Report.SENT,
    DeliveryStatus.DELIVERED: Report.DELIVERED,
    DeliveryStatus.READ: Report.READ,
    DeliveryStatus.PLAYED: Report.READ,
    DeliveryStatus.FAILED: Report.FAILED,
}


_OfNumber = InboundMessage | Echo | NumberChanged | StatusUpdate
_OfAccount = (
    TemplateStatusUpdate
    | TemplateQualityUpdate
    | TemplateCategoryUpdate
    | AccountUpdate
    | CapabilityUpdate
    | PhoneQualityUpdate
)
_Piece = PersonPiece | MovePiece | StatusPiece | TemplateNews | AccountNews


def translate(updates: Iterable[Update], numbers: Iterable[NumberCredentials]) -> WhatsAppPieces:
    """What the updates mean for the numbers that the signer may speak for."""
    by_id = {number.phone_number_id: number for number in numbers}
    people: list[PersonPiece] = []
    moves: list[MovePiece] = []
    statuses: list[StatusPiece] = []
    templates: list[TemplateNews] = []
    accounts: list[AccountNews] = []
    for piece in (piece for update in updates for piece in _pieces(update, by_id)):
        match piece:
            case None:
                pass
            case StatusPiece():
                statuses.append(piece)
            case MessagePiece() | EchoPiece() | PreferencePiece():
                people.append(piece)
            case MovePiece():
                moves.append(piece)
            case TemplatePiece() | TemplateQualityPiece() | TemplateCategoryPiece():
                templates.append(piece)
            case AccountPiece() | LimitPiece() | NumberQualityPiece():
                accounts.append(piece)
            case _:
                assert_never(piece)
    return WhatsAppPieces(tuple(people), tuple(moves), tuple(statuses), tuple(templates), tuple(accounts))


def _pieces(update: Update, by_id: Mapping[str, NumberCredentials]) -> Iterator[_Piece | None]:
    if isinstance(update, _OfNumber):
        named = by_id.get(update.phone_number_id or "")
        if named is not None:
            yield _of_number(named, update)
        return
    of_account = [number for number in by_id.values() if number.waba_id == update.waba_id]
    match update:
        case UserPreference(value="stop" | "resume"):
            named = by_id.get(update.phone_number_id or "")
            meant = [named] if named is not None else of_account if update.phone_number_id is None else []
            for number in {one.store_id: one for one in reversed(meant)}.values():
                yield _preference(number, update)
        case UserPreference() | Unrecognised():
            pass
        case ReportedErrors():
            codes = ", ".join(str(error.code) for error in update.errors)
            _log.warning("whatsapp: account %s reports errors: %s", update.waba_id[:40], codes)
        case _:
            if of_account:
                yield from _of_account(of_account, list(by_id.values()), update)


def _of_number(number: NumberCredentials, update: _OfNumber) -> _Piece | None:
    match update:
        case InboundMessage():
            return _message(number, update)
        case Echo():
            return _echo(number, update)
        case NumberChanged():
            return _move(number, update)
        case StatusUpdate():
            return _status(number, update)
        case _:
            assert_never(update)


def _of_account(
    numbers: Sequence[NumberCredentials], signers: Sequence[NumberCredentials], update: _OfAccount
) -> Iterator[_Piece]:
    ids, signer_ids = tuple(number.id for number in numbers), tuple(number.id for number in signers)
    # Another app that listens to the same account tells the same of other numbers.
    key = f"{min(ids)}:{update.dedupe_key}"[:_LONGEST_KEY]
    match update:
        case TemplateStatusUpdate():
            yield TemplatePiece(key, update.waba_id, update.name, update.language, _status_of(update.event), update.at)
        case TemplateQualityUpdate():
            yield TemplateQualityPiece(key, update.waba_id, update.name, update.language, update.new, update.at)
        case TemplateCategoryUpdate():
            category = update.new_category
            yield TemplateCategoryPiece(key, update.waba_id, update.name, update.language, category, update.at)
        case AccountUpdate():
            restrictions = [(one.type, one.expires_at) for one in update.restrictions]
            effect = effect_of(update.event, update.ban_state, restrictions)
            yield AccountPiece(key, update.waba_id, ids, update.event, effect, update.at)
        case CapabilityUpdate():
            yield LimitPiece(key, ids, signer_ids, _limit(update.max_daily), update.at)
        case PhoneQualityUpdate():
            if update.limit_told:
                yield LimitPiece(key, ids, signer_ids, _limit(update.max_daily), update.at)
            if update.event in _FLAGS:
                quality = _FLAGS[update.event]
                yield NumberQualityPiece(f"q:{key}"[:_LONGEST_KEY], ids, update.display_phone, quality, update.at)
        case _:
            assert_never(update)


def _message(number: NumberCredentials, update: InboundMessage) -> MessagePiece | None:
    sender = _address(number, update.from_phone, update.from_user_id)
    # What somebody says in a group is not said to the business.
    if sender is None or update.group_id is not None or len(update.id) > _LONGEST_ID:
        return None
    return MessagePiece(
        dedupe_key=f"{number.id}:{update.dedupe_key}",
        sender=sender,
        number_id=number.id,
        wamid=update.id,
        kind=update.kind[:_LONGEST_KIND],
        text=update.text,
        button_payload=update.button.payload if update.button is not None else None,
        at=update.at,
    )


def _echo(number: NumberCredentials, update: Echo) -> EchoPiece | None:
    recipient = _address(number, update.to_phone, update.to_user_id)
    # Whoever edits or takes back what they wrote has written nothing new.
    if recipient is None or update.original_id is not None or len(update.id) > _LONGEST_ID:
        return None
    return EchoPiece(
        dedupe_key=f"{number.id}:{update.dedupe_key}",
        recipient=recipient,
        number_id=number.id,
        wamid=update.id,
        kind=update.kind[:_LONGEST_KIND],
        text=update.text,
        at=update.at,
    )


def _move(number: NumberCredentials, update: NumberChanged) -> MovePiece | None:
    old = _address(number, update.old_phone, update.old_user_id)
    new = _address(number, update.new_phone, update.new_user_id)
    if old is None or new is None:
        return None
    return MovePiece(dedupe_key=f"{number.id}:{update.dedupe_key}", old=old, new=new, at=update.at)


def _preference(number: NumberCredentials, update: UserPreference) -> PreferencePiece | None:
    sender = _address(number, update.phone, update.user_id)
    if sender is None:
        return None
    key = f"{number.id}:{update.dedupe_key}"
    return PreferencePiece(dedupe_key=key, sender=sender, stop=update.value == "stop", at=update.at)


def _status(number: NumberCredentials, update: StatusUpdate) -> StatusPiece | None:
    report = _REPORTS.get(update.status)
    if report is None or len(update.wamid) > _LONGEST_ID:
        return None
    return StatusPiece(
        dedupe_key=f"{number.id}:{update.dedupe_key}",
        number_id=number.id,
        wamid=update.wamid,
        report=report,
        at=update.at,
        callback_data=update.callback_data,
        error_code=next((error.code for error in update.errors if error.code is not None), None),
    )


def _status_of(event: str) -> TemplateStatus:
    return TemplateStatus(event) if event in set(TemplateStatus) else TemplateStatus.UNKNOWN


def _limit(max_daily: int | None) -> int:
    return UNLIMITED if max_daily is None else max_daily


def _address(number: NumberCredentials, phone: str | None, user_id: str | None) -> Address | None:
    if user_id is not None and len(user_id) > _LONGEST_USER_ID:
        user_id = None
    return None if phone is None and user_id is None else Address(number.store_id, phone, user_id)
