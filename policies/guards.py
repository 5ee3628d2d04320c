"""The last question before a send is claimed: may this message go now?

The answer is asked inside the transaction that would claim, on facts read there, so it cannot be overtaken by an
exit event. The order is the rule: what ends the enrollment, what stops the journey, what is broken, what has to wait,
what makes the stage pointless.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never
from zoneinfo import ZoneInfo

from models.enums import SENDABLE_TEMPLATE_STATUSES, ExitReason, HoldReason, JourneyState, SkipReason, TemplateStatus
from models.verdicts import Exit, Hold, Proceed, SkipStage, Verdict
from policies.calendar import SendingHours, is_open, next_opening
from policies.recency import within_days

CHECK_VALID_FOR = timedelta(minutes=15)
"""How old a check of the purchases or a draft may be at the claim before it is done again (DESIGN section 4)."""

DEAD_TEMPLATE_STATUSES = frozenset(
    {
        TemplateStatus.REJECTED,
        TemplateStatus.DISABLED,
        TemplateStatus.PENDING_DELETION,
        TemplateStatus.DELETED,
        TemplateStatus.ARCHIVED,
    }
)
"""States from which a template does not come back by waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimFacts:
    """Everything that the guard looks at, as it is in the claiming transaction.

    Attributes:
        at: the moment of the claim.
        exit_event: the first exit event on record, or None.
        erased: the customer's data was erased.
        opted_out: the customer opted out, withdrew consent or is on the suppression list.
        journey_state: the journey's own state.
        unreachable: WhatsApp lately said that this person can be reached with nothing.
        country_blocked: the account may not write to people of this country.
        template_blocked: Meta calls this message wrong for the template as it is.
        missed: the stage came due during a pause after which such stages are passed over.
        credential_ok: the sender's access token works.
        sender_paused: the number or its account may not send at present.
        sender_paused_until: when that ends by itself, if it is known.
        says_nothing: the window is closed for the draft's text, and there is no template.
        uses_template: False for a free text inside the service window; the template facts then do not count.
        marketing_refused: it is a marketing template to a number to which WhatsApp delivers none.
        template_exists: the template is there in that language.
        template_status: its state at Meta.
        hours: the journey's sending hours.
        zone: the zone in which they count for this customer.
        check_age: the age of the older of the purchase check and the draft.
        smart_sending_days: the journey's rule, 0 for off and for a follow-up's free text.
        last_other_marketing_at: the latest marketing message of another journey.
        recent_order_days: the journey's rule, 0 for off.
        last_order_at: the latest order.
    """

    at: datetime
    journey_state: JourneyState
    hours: SendingHours
    zone: ZoneInfo
    exit_event: ExitReason | None = None
    erased: bool = False
    opted_out: bool = False
    unreachable: bool = False
    country_blocked: bool = False
    template_blocked: bool = False
    missed: bool = False
    credential_ok: bool = True
    sender_paused: bool = False
    sender_paused_until: datetime | None = None
    says_nothing: bool = False
    uses_template: bool = True
    marketing_refused: bool = False
    template_exists: bool = True
    template_status: TemplateStatus = TemplateStatus.UNKNOWN
    check_age: timedelta = timedelta(0)
    smart_sending_days: int = 0
    last_other_marketing_at: datetime | None = None
    recent_order_days: int = 0
    last_order_at: datetime | None = None

    @property
    def stale(self) -> bool:
        """Whether the check or the draft has to be done again before a claim; no verdict, since nothing waits."""
        return self.check_age > CHECK_VALID_FOR


def before_claim(facts: ClaimFacts) -> Verdict:
    """What to do with a stage whose message is ready; the first rule that applies decides."""
    verdicts = (_ended(facts), _stopped(facts), _broken(facts), _closed(facts), _pointless(facts))
    return next((verdict for verdict in verdicts if verdict is not None), Proceed())


def _ended(facts: ClaimFacts) -> Exit | None:
    """The customer's own facts."""
    if facts.exit_event is not None:
        return Exit(facts.exit_event)
    if facts.erased:
        return Exit(ExitReason.DATA_ERASED)
    if facts.opted_out:
        return Exit(ExitReason.UNSUBSCRIBED)
    return Exit(ExitReason.UNDELIVERABLE) if facts.unreachable else None


def _stopped(facts: ClaimFacts) -> Exit | Hold | SkipStage | None:
    """The journey's own state, and what its last pause left behind."""
    return journey_verdict(facts.journey_state, missed=facts.missed)


def journey_verdict(state: JourneyState, *, missed: bool) -> Exit | Hold | SkipStage | None:
    """What the journey's own state says of a stage; asked before anything is paid for, and again at the claim."""
    match state:
        case JourneyState.ACTIVE:
            return SkipStage(SkipReason.JOURNEY_PAUSED) if missed else None
        case JourneyState.STOPPED | JourneyState.ARCHIVED:
            return Exit(ExitReason.JOURNEY_STOPPED)
        case JourneyState.PAUSED | JourneyState.DRAFT | JourneyState.PENDING:
            return Hold(HoldReason.JOURNEY_PAUSED)
        case _:
            assert_never(state)


def _broken(facts: ClaimFacts) -> Hold | SkipStage | None:
    """What the message would be sent with."""
    if facts.country_blocked:
        return SkipStage(SkipReason.META_DECLINED)
    if not facts.credential_ok:
        return Hold(HoldReason.CREDENTIAL)
    if facts.sender_paused:
        return Hold(HoldReason.SENDER_PAUSED, facts.sender_paused_until)
    if facts.says_nothing:
        return SkipStage(SkipReason.WINDOW_CLOSED)
    if not facts.uses_template:
        return None
    if facts.marketing_refused:
        return SkipStage(SkipReason.META_DECLINED)
    if not facts.template_exists or facts.template_status in DEAD_TEMPLATE_STATUSES:
        return SkipStage(SkipReason.TEMPLATE_DEAD)
    if facts.template_status not in SENDABLE_TEMPLATE_STATUSES:
        return Hold(HoldReason.TEMPLATE_HELD)
    if facts.template_blocked:
        return Hold(HoldReason.TEMPLATE_HELD)
    return None


def _closed(facts: ClaimFacts) -> Hold | None:
    """The customer's clock."""
    if is_open(facts.at, facts.hours, facts.zone):
        return None
    return Hold(HoldReason.HOURS, next_opening(facts.at, facts.hours, facts.zone))


def _pointless(facts: ClaimFacts) -> SkipStage | None:
    """What happened to the customer in the meantime."""
    if within_days(facts.last_other_marketing_at, facts.at, facts.smart_sending_days):
        return SkipStage(SkipReason.SMART_SENDING)
    if within_days(facts.last_order_at, facts.at, facts.recent_order_days):
        return SkipStage(SkipReason.RECENT_ORDER)
    return None
