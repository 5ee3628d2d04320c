"""The JSON documents of the command line; `docs/schemas/` is generated from them (`python -m cli.schemas`).

Scripts depend on these: fields are added, never renamed or taken away. A key is always there, null where nothing
stands; a count by words has every word. Times are RFC 3339 in UTC, money is a decimal string beside its currency, and
phone numbers are masked. What the staff API answers with too stands in `reports/documents.py`.
"""

from datetime import date
from typing import Literal

from models.enums import JourneyKind, JourneyState, StaffRole, TemplateStatus
from models.journey import ConsentRule
from reports.documents import (
    CustomerView,
    DecisionView,
    Document,
    JourneysDocument,
    Moment,
    StatusDocument,
    StopDocument,
    VerdictView,
)


class FailureDocument(Document):
    """Any command that did not do what was asked: what also stands on stderr."""

    exit_code: int
    problems: list[str]


# --- validate --------------------------------------------------------------------------------------------------------


class FileProblem(Document):
    """One thing to change in a journey file; line and column count from 1."""

    line: int
    column: int
    field: str
    text: str


class StageSummary(Document):
    """One message of a journey."""

    after: str
    templates: list[str]
    written_by: Literal["template", "text", "model"]


class ConversationsSummary(Document):
    """Whose silence a follow-up answers; without a column everybody's."""

    column: str | None
    include_closed: bool


class CartSummary(Document):
    """Which checkouts an abandoned-cart journey answers; the least total is in the store's currency."""

    after: str
    minimum: str | None


class JourneySummary(Document):
    """What a journey file says; of the keys that say who enters, those of its kind are filled."""

    name: str
    kind: JourneyKind
    priority: int
    inactive_days: int | None
    inactive_days_max: int | None
    conversations: ConversationsSummary | None
    cart: CartSummary | None
    consent: ConsentRule
    control_percent: int
    coupon: str | None
    stages: list[StageSummary]
    hours: str
    weekdays: list[str]
    time_zone: str
    max_per_day: int
    attribution_days: int
    watch_days: int
    content_hash: str


class ValidateDocument(Document):
    """`validate`."""

    file: str
    valid: bool
    problems: list[FileProblem]
    warnings: list[str]
    journey: JourneySummary | None


# --- store -----------------------------------------------------------------------------------------------------------


class StoreView(Document):
    """A store without its secrets."""

    name: str
    time_zone: str
    currency: str
    languages: list[str]
    stop_words: list[str]
    default_region: str | None
    phone_number_id: str
    waba_id: str
    shop_domain: str
    created_at: Moment


class StoreListDocument(Document):
    """`store list`."""

    stores: list[StoreView]


class StoreAddDocument(Document):
    """`store add`."""

    store: StoreView
    replaced: bool
    health_watch: bool


class Finding(Document):
    """One thing that was looked at. `advice` says what to do about a fault."""

    subject: str
    state: Literal["ok", "warning", "fault"]
    text: str
    advice: str | None = None


class StoreCheckDocument(Document):
    """`store check`."""

    store: str
    ok: bool
    findings: list[Finding]


class DoctorDocument(Document):
    """`doctor`."""

    ok: bool
    findings: list[Finding]


# --- launch, stop, journeys ------------------------------------------------------------------------------------------


class Audience(Document):
    """Everybody considered has one outcome: `considered` is the sum of the others."""

    considered: int
    entered: int
    control: int
    paced: int
    skipped: dict[str, int]


class WatchView(Document):
    """What a follow-up or cart journey watches from now on.

    Attributes:
        since: silences and carts from before do not count (`--only-new`).
        not_yet_due: those that are not quiet for long enough yet.
    """

    since: Moment | None
    not_yet_due: int


class LaunchDocument(Document):
    """`launch`. A win-back has a launch, a journey of another kind a watch."""

    launch_id: int | None
    store: str
    journey: str
    version: int
    audience: Audience
    entrants_by_day: dict[date, int]
    messages_by_day: dict[date, int]
    warnings: list[str]
    watch: WatchView | None


class PauseDocument(Document):
    """`pause`, `resume`. `delivered` is false while Temporal has yet to hear of it."""

    store: str
    journey: str
    state: JourneyState
    state_reason: str | None
    changed: bool
    delivered: bool


# --- status, why-not -------------------------------------------------------------------------------------------------


class WhyNotDocument(Document):
    """`why-not`. `refreshed` tells whether the shop was asked for the customer's latest."""

    store: str
    customer: CustomerView
    refreshed: bool
    verdict: VerdictView
    decisions: list[DecisionView]


# --- templates, customers, history -----------------------------------------------------------------------------------


class TemplateView(Document):
    """One template in one language."""

    name: str
    language: str
    status: TemplateStatus
    sendable: bool
    category: str | None
    variables: list[str]
    body: str
    synced_at: Moment


class TemplatesDocument(Document):
    """`templates`."""

    store: str
    synced: bool
    templates: list[TemplateView]


class KeyView(Document):
    """A key of the staff API without its secret part."""

    prefix: str
    name: str
    role: StaffRole
    created_at: Moment
    last_used_at: Moment | None
    revoked_at: Moment | None


class KeyCreateDocument(Document):
    """`keys create`. `secret` is the whole key, shown this once."""

    store: str
    key: KeyView
    secret: str


class KeyListDocument(Document):
    """`keys list`."""

    store: str
    keys: list[KeyView]


class KeyRevokeDocument(Document):
    """`keys revoke`."""

    store: str
    key: KeyView


class BadLine(Document):
    """A line of an import that cannot be used."""

    line: int
    reason: str


class ImportDocument(Document):
    """`customers import`."""

    store: str
    imported: int
    suppressed: int
    bad_rows: list[BadLine]


class OptOutDocument(Document):
    """`customers opt-out`. `delivered` is false while Temporal has yet to hear of it."""

    store: str
    phone: str
    known: bool
    delivered: bool


class EraseDocument(Document):
    """`customers erase`. `delivered` is false while Temporal has yet to hear of it."""

    store: str
    phone: str
    known: bool
    delivered: bool


class ExportDocument(Document):
    """`customers export`; what is stored stands in the file, not here."""

    store: str
    phone: str
    file: str
    rows: int
    requests_fulfilled: int


class HistoryDocument(Document):
    """`history`."""

    workflow_id: str
    file: str
    events: int


DOCUMENTS: dict[str, type[Document]] = {
    "failure": FailureDocument,
    "validate": ValidateDocument,
    "store-list": StoreListDocument,
    "store-add": StoreAddDocument,
    "store-check": StoreCheckDocument,
    "doctor": DoctorDocument,
    "launch": LaunchDocument,
    "stop": StopDocument,
    "journeys": JourneysDocument,
    "status": StatusDocument,
    "why-not": WhyNotDocument,
    "templates": TemplatesDocument,
    "pause": PauseDocument,
    "resume": PauseDocument,
    "keys-create": KeyCreateDocument,
    "keys-list": KeyListDocument,
    "keys-revoke": KeyRevokeDocument,
    "customers-import": ImportDocument,
    "customers-opt-out": OptOutDocument,
    "customers-erase": EraseDocument,
    "customers-export": ExportDocument,
    "history": HistoryDocument,
}
"""Every document by the name of its schema in `docs/schemas/`."""
