"""The surroundings of one change in a webhook: whom and when it is about, which its pieces do not repeat."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.whatsapp.lenient import member, moment_of, text_of
from providers.whatsapp.updates import Unrecognised


@dataclass(frozen=True, slots=True)
class Change:
    """Whom and when a change is about.

    Attributes:
        waba_id: the WhatsApp business account.
        phone_number_id: our number, where the change is about one.
        sent_at: the time of the entry; messages and their statuses often come without.
        received_at: stands in where nothing else tells the time.
        contacts: the `contacts` beside the pieces.
    """

    waba_id: str = ""
    phone_number_id: str | None = None
    sent_at: datetime | None = None
    received_at: datetime | None = None
    contacts: tuple[Any, ...] = ()

    @property
    def stamp(self) -> str:
        """The time of the entry as a part of a key; the receipt's would differ with each delivery."""
        return self.sent_at.isoformat() if self.sent_at else ""

    @property
    def at(self) -> datetime | None:
        """When the change was sent, else received."""
        return self.sent_at or self.received_at

    def moment(self, timestamp: Any) -> datetime | None:
        """When a piece with this timestamp happened."""
        return moment_of(timestamp) or self.at

    def contact(self, wa_id: Any, user_id: str | None) -> Any:
        """The contact that belongs to this sender: by id, because a batch may hold several."""
        for contact in self.contacts:
            known = (member(contact, "wa_id"), member(contact, "user_id"))
            if (wa_id is not None and wa_id == known[0]) or (user_id is not None and user_id == known[1]):
                return contact
        return None

    def user_id(self, given: Any, contact: Any) -> str | None:
        """A customer's business-scoped id: the piece's own, else that of the contact beside it."""
        return text_of(given) or text_of(member(contact, "user_id"))

    def raw_key(self, field: str, raw: Any) -> str:
        """The key of something that has no id: all that it says."""
        try:
            content = json.dumps(raw, sort_keys=True)
        except RecursionError:  # the encoder's limit is lower than the decoder's
            content = "too deep"
        return digest_key("raw", self.waba_id, field, self.stamp, content)

    def unrecognised(self, field: str, raw: Any) -> Unrecognised:
        """Keep what nobody could read."""
        return Unrecognised(
            waba_id=self.waba_id,
            phone_number_id=self.phone_number_id,
            dedupe_key=self.raw_key(field, raw),
            field=field,
            raw=raw,
        )


def digest_key(*parts: str) -> str:
    """A dedupe key: the first part in the clear, a digest of them all."""
    digest = hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{parts[0]}:{digest[:40]}"
