"""The JSON documents of the command line; `docs/schemas/` is generated from them (`python -m cli.schemas`).

Scripts depend on these: fields are added, never renamed or taken away. A key is always there, null where nothing
stands; a count by words has every word. Times are RFC 3339 in UTC, money is a decimal string beside its currency, and
phone numbers are masked. What the staff API answers with too stands in `reports/documents.py`.
"""

from datetime import date
from typing import Literal

from cli.checks import Check
from cli.customer_documents import EraseDocument, ExportDocument, ImportDocument, OptOutDocument
from cli.key_documents import KeyCreateDocument, KeyListDocument, KeyRevokeDocument
from cli.template_documents import (
    TemplatesDocument,
    TemplateSubstituteDocument,
    TemplateUnblockDocument,
)
from cli.tracking_documents import RunNowDocument, TrackingSummary, TrackingView
from models.enums import JourneyKind, JourneyState
from models.journey import ConsentRule
from reports.credits import CreditsDocument
from reports.documents import (
    ApprovalsDocument,
    Audience,
    DailyView,
    DecisionDocument,
    Document,
    FieldChange,
    JourneysDocument,
    Moment,
    SenderView,
    StatusDocument,
    StopDocument,
    VersionStage,
    WhyNotDocument,
)
from reports.export.document import ReportDocument
from reports.journey_detail import JourneyDocument
from reports.rates import RatesDocument
from reports.runs import RunsDocument
from reports.sends import SendsDocument, SettledDocument
from reports.statistics_documents import JourneyStatsDocument, StatsListDocument
from reports.webhooks import (
    DeliveriesDocument,
    DeliveryDocument,
    EndpointDocument,
    EndpointsDocument,
    EndpointSecretDocument,
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
    tracking: TrackingSummary | None
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
    """`validate`. `next_runs` are those of a tracking file in a store, if it were launched now."""

    file: str
    valid: bool
    problems: list[FileProblem]
    warnings: list[str]
    journey: JourneySummary | None
    next_runs: list[Moment]


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
    crm_url: str | None
    sender: SenderView
    created_at: Moment


class StoreListDocument(Document):
    """`store list`."""

    stores: list[StoreView]


class StoreAddDocument(Document):
    """`store add`. `crm_secret` is one that was made now, and is shown this once."""

    store: StoreView
    replaced: bool
    health_watch: bool
    crm_secret: str | None


class Finding(Document):
    """One thing that was looked at; `check` names it for scripts. `advice` says what to do about a fault."""

    check: Check
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


class AllowCountryDocument(Document):
    """`store allow-country`. `blocked` tells whether the country was left out until now."""

    store: str
    country: str
    blocked: bool


# --- launch, stop, journeys ------------------------------------------------------------------------------------------


class WatchView(Document):
    """What a follow-up or cart journey watches from now on.

    Attributes:
        since: silences and carts from before do not count (`--only-new`).
        not_yet_due: those that are not quiet for long enough yet.
    """

    since: Moment | None
    not_yet_due: int


class LaunchDocument(Document):
    """`launch`. A win-back has a launch, a follow-up or cart journey a watch, a tracking journey its runs.

    A journey whose templates are not all approved is `pending` after it: `waits_for` names them, and nobody is
    considered before it goes live by itself. `daily` is when the audience of an always-on win-back is selected again.
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
    tracking: TrackingView | None
    state: JourneyState
    waits_for: list[str]
    daily: DailyView | None


class PublishDocument(Document):
    """`publish`. Those in `running` stay on the version that they entered with, and so do the `paced`, by version.

    Attributes:
        version: what new entrants get from now on.
        previous: what they got until now; null for a draft's first version.
        changed: whether this made a new version.
    """

    store: str
    journey: str
    state: JourneyState
    version: int
    previous: int | None
    changed: bool
    running: list[VersionStage]
    paced: dict[int, int]
    changes: list[FieldChange]
    warnings: list[str]


class ArchiveDocument(Document):
    """`archive`. `control` counts those whom the holdout still keeps out of other journeys, until their horizon."""

    store: str
    journey: str
    state: JourneyState
    changed: bool
    control: int


class PauseDocument(Document):
    """`pause`, `resume`. `delivered` is false while Temporal has yet to hear of it."""

    store: str
    journey: str
    state: JourneyState
    state_reason: str | None
    changed: bool
    delivered: bool


# --- history ---------------------------------------------------------------------------------------------------------


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
    "journey": JourneyDocument,
    "archive": ArchiveDocument,
    "stats": JourneyStatsDocument,
    "stats-list": StatsListDocument,
    "report": ReportDocument,
    "rates": RatesDocument,
    "status": StatusDocument,
    "approvals": ApprovalsDocument,
    "approve": DecisionDocument,
    "reject": DecisionDocument,
    "why-not": WhyNotDocument,
    "runs": RunsDocument,
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
    "webhooks-add": EndpointSecretDocument,
    "webhooks-list": EndpointsDocument,
    "webhooks-deliveries": DeliveriesDocument,
    "webhooks-retry": DeliveryDocument,
    "webhooks-test": DeliveryDocument,
    "webhooks-disable": EndpointDocument,
    "webhooks-enable": EndpointDocument,
    "webhooks-rotate": EndpointSecretDocument,
    "webhooks-remove": EndpointDocument,
    "history": HistoryDocument,
    "run-now": RunNowDocument,
}
"""Every document by the name of its schema in `docs/schemas/`."""
