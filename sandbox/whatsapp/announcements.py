"""What Meta and the shop's own staff do beside Rekindle: it takes effect in the sandbox, and a webhook tells of it.

Each method returns the webhook body, to be signed and posted, as `WhatsAppSandbox.inbound` does.
"""

from datetime import date, datetime
from typing import Literal

from sandbox.whatsapp.cloud import SandboxNumber, WhatsAppSandbox
from sandbox.whatsapp.events import (
    ban_body,
    capability_body,
    echo_body,
    number_changed_body,
    phone_quality_body,
    restriction_body,
    template_category_body,
    template_quality_body,
)
from sandbox.whatsapp.outbox import Account
from sandbox.whatsapp.templates import SandboxTemplate

BanState = Literal["SCHEDULE_FOR_DISABLE", "DISABLE", "REINSTATE"]
Category = Literal["MARKETING", "UTILITY"]
Quality = Literal["GREEN", "YELLOW", "RED", "UNKNOWN"]


class Announcements:
    """News about one number of a sandbox and the account and portfolio behind it.

    Args:
        sandbox: where it happens.
        number: the number; the sandbox's default one unless given.
    """

    def __init__(self, sandbox: WhatsAppSandbox, number: SandboxNumber | None = None) -> None:
        self._sandbox = sandbox
        self._account: Account = (number or sandbox.default_number).account

    def restrict(self, kind: str, until: datetime | None, at: datetime) -> bytes:
        """The account may not do something until then, for good if None; forbidden messages are refused with 368."""
        self._sandbox.blocks.restrict(self._account.waba_id, kind, until)
        return restriction_body(self._account, kind, until, at)

    def ban(self, state: BanState, day: date, at: datetime) -> bytes:
        """The account is to be disabled on that day, is disabled (all is refused with 131031), or is reinstated."""
        if state == "DISABLE":
            self._sandbox.blocks.disable(self._account.waba_id)
        elif state == "REINSTATE":
            self._sandbox.blocks.lift(self._account.waba_id)
        return ban_body(self._account, state, day, at)

    def limit(self, max_daily: int | None, at: datetime) -> bytes:
        """The portfolio's messaging limit changes; None is no limit."""
        self._sandbox.tier = max_daily
        return capability_body(self._account, max_daily, at)

    def number_event(self, event: str, at: datetime) -> bytes:
        """The number's throughput or quality changes, such as `THROUGHPUT_UPGRADE` or `FLAGGED`."""
        return phone_quality_body(self._account, event, self._sandbox.tier, at)

    def template_quality(self, name: str, language: str, quality: Quality, at: datetime) -> bytes:
        """A template changes its colour.

        Raises:
            KeyError: there is no such template.
        """
        template = self._template(name, language)
        previous, template.quality = template.quality, quality
        return template_quality_body(self._account, template, previous, at)

    def template_category(
        self, name: str, language: str, category: Category, at: datetime, *, announced: bool = False
    ) -> bytes:
        """A template moves to another category, or it is announced that it will.

        Raises:
            KeyError: there is no such template.
        """
        template = self._template(name, language)
        if announced:
            return template_category_body(self._account, template, at, correct_category=category)
        previous, template.category = template.category, category
        return template_category_body(self._account, template, at, previous_category=previous)

    def staff_wrote(self, phone: str | None, text: str, at: datetime, *, user_id: str | None = None) -> bytes:
        """Somebody of the shop writes to a customer in the WhatsApp Business app."""
        message_id = self._sandbox.new_message_id("echo", phone or user_id or "")
        return echo_body(self._account, message_id, text, at, phone=phone, user_id=user_id)

    def moved(
        self, old: str, new: str, at: datetime, *, user_id: str | None = None, new_user_id: str | None = None
    ) -> bytes:
        """A customer moves from one phone number to another, E.164 both; the new one has no open window."""
        message_id = self._sandbox.new_message_id("in", old)
        return number_changed_body(
            self._account, message_id, at, old=old, new=new, user_id=user_id, new_user_id=new_user_id
        )

    def _template(self, name: str, language: str) -> SandboxTemplate:
        template = self._sandbox.templates.get(name, language)
        if template is None:
            raise KeyError(f"no template {name} in {language}")
        return template
