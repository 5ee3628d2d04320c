"""The JSON documents of the command line; `docs/schemas/` is generated from them (`python -m cli.schemas`).

Scripts depend on these: fields are added, never renamed or taken away. A key is always there, null where nothing
stands; a count by words has every word. Times are RFC 3339 in UTC, money is a decimal string beside its currency, and
phone numbers are masked. What the staff API answers with too stands in `reports/documents.py`.
"""

from datetime import date
from typing import Literal

from models.enums import JourneyKind, JourneyState, StaffRole, TemplateStatus
from models.journey import ConsentRule
from reports.credits import CreditsDocument
from reports.documents import (
    ApprovalsDocument,
    CustomerView,
    DecisionDocument,
    DecisionView,
    Document,
    JourneysDocument,
    Moment,
    SenderView,
    StatusDocument,
    StopDocument,
    VerdictView,
    VersionStage,
)
from reports.sends import SendsDocument, SettledDocument


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
    alert_emails: list[str]
    default_region: str | None
    phone_number_id: str
    waba_id: str
    shop_domain: str
    sender: SenderView
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
    """`launch`. A win-back has a launch, a journey of another kind a watch.

    A journey whose templates are not all approved is `pending` after it: `waits_for` names them, and nobody is
    considered before it goes live by itself.
    """

    launch_id: int | None
    store: str
    journey: str
    version: int
    audience: Audience
    entrants_by_day: dict[date, int]
    messages_by_day: dict[date, int]
    warnings: list[str]
    watch: WatchView | None
    state: JourneyState
    waits_for: list[str]


class FieldChange(Document):
    """One field of a journey file that says something else; null where it is not set."""

    field: str
    before: str | None
    after: str | None


class PublishDocument(Document):
    """`publish`. Those in `running` stay on the version that they entered with, and so do the `paced`, by version.

    Attributes:
        version: what new entrants get from now on.
        previous: what they got until now.
        changed: whether this made a new version.
    """

    store: str
    journey: str
    state: JourneyState
    version: int
    previous: int
    changed: bool
    running: list[VersionStage]
    paced: dict[int, int]
    changes: list[FieldChange]
    warnings: list[str]


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


class BlockView(Document):
    """A journey's message that Meta calls wrong for a template: nobody is sent it until something has changed."""

    journey: str
    code: int | None
    at: Moment
    text: str


class SubstitutionView(Document):
    """One template stands for a dead one in running versions; without a journey in those of all."""

    old: str
    new: str
    language: str
    journey: str | None
    made_at: Moment
    ended_at: Moment | None


class TemplateView(Document):
    """One template in one language. `advice` says what its status means, where something has to be done."""

    name: str
    language: str
    status: TemplateStatus
    sendable: bool
    advice: str | None
    category: str | None
    variables: list[str]
    body: str
    synced_at: Moment
    blocks: list[BlockView]


class TemplatesDocument(Document):
    """`templates`."""

    store: str
    synced: bool
    templates: list[TemplateView]
    substitutions: list[SubstitutionView]


class TemplateUnblockDocument(Document):
    """`templates unblock`: how many messages may go again. `delivered` is false while Temporal has yet to hear."""

    store: str
    template: str
    lifted: int
    delivered: bool


class TemplateSubstituteDocument(Document):
    """`templates substitute`: the decisions that were made or, with `ended`, that hold no longer."""

    store: str
    ended: bool
    substitutions: list[SubstitutionView]
    delivered: bool


class AllowCountryDocument(Document):
    """`store allow-country`. `blocked` tells whether the country was left out until now."""

    store: str
    country: str
    blocked: bool


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
    "approvals": ApprovalsDocument,
    "approve": DecisionDocument,
    "reject": DecisionDocument,
    "why-not": WhyNotDocument,
    "templates": TemplatesDocument,
    "templates-unblock": TemplateUnblockDocument,
    "templates-substitute": TemplateSubstituteDocument,
    "store-allow-country": AllowCountryDocument,
    "credits": CreditsDocument,
    "publish": PublishDocument,
    "pause": PauseDocument,
    "resume": PauseDocument,
    "keys-create": KeyCreateDocument,
    "keys-list": KeyListDocument,
    "keys-revoke": KeyRevokeDocument,
    "sends-list": SendsDocument,
    "sends-settle": SettledDocument,
    "customers-import": ImportDocument,
    "customers-opt-out": OptOutDocument,
    "customers-erase": EraseDocument,
    "customers-export": ExportDocument,
    "history": HistoryDocument,
}
"""Every document by the name of its schema in `docs/schemas/`."""
