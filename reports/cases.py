"""What the one answer about a customer and a journey is made from, read once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from models.enums import AnswerCode, JourneyKind, JourneyState
from models.tables import EntryDecision, Number, Template
from reports.documents import AnswerView, ReviewView, RuleView, VerdictView
from reports.wording import local_time
from storage.diagnosis import AskedJourney, PacedPlace, Rounds, WatchPlace
from storage.lookup import Passage


@dataclass(frozen=True, slots=True)
class Case:
    """One customer and one journey.

    Attributes:
        passages: the customer's through this journey, newest first.
        decision: the newest entry decision.
        review: what a daily review last came to.
        verdict: every rule, evaluated now.
        paced: the later day that they wait for.
        watch: what a watch last answered about their silence or cart.
        rounds: how the journey looks for entrants.
        templates: the mirror, by name and language.
        ordered_at: when the customer's last order was placed that counts.
        newly_known: whether the store has only now learnt from the shop that they exist.
    """

    asked: AskedJourney
    passages: list[Passage]
    decision: EntryDecision | None
    review: ReviewView | None
    verdict: VerdictView
    paced: PacedPlace | None
    watch: WatchPlace | None
    rounds: Rounds
    templates: Mapping[tuple[str, str], Template]
    number: Number
    zone: ZoneInfo
    now: datetime
    ordered_at: datetime | None = None
    newly_known: bool = False

    @property
    def name(self) -> str:
        """The journey's."""
        return self.asked.journey.name

    @property
    def kind(self) -> JourneyKind:
        """The journey's."""
        return self.asked.journey.kind

    @property
    def is_active(self) -> bool:
        """Whether the journey takes anybody in now."""
        return self.asked.journey.state is JourneyState.ACTIVE

    @property
    def failing(self) -> RuleView | None:
        """The first rule that says no now."""
        return next((rule for rule in self.verdict.rules if not rule.passed), None)

    def local(self, at: datetime) -> str:
        """A moment by the store's clock and in UTC."""
        return local_time(at, self.zone)


@dataclass(frozen=True, slots=True)
class Answer:
    """`reports.documents.AnswerView` while it is made: sentences are added to it."""

    code: AnswerCode
    text: str
    since: datetime | None = None
    until: datetime | None = None
    advice: str | None = None

    def and_also(self, *sentences: str | None) -> "Answer":
        """The same with more sentences."""
        return replace(self, text=" ".join([self.text, *(one for one in sentences if one)]))

    def view(self) -> AnswerView:
        """As a document."""
        return AnswerView(code=self.code, text=self.text, since=self.since, until=self.until, advice=self.advice)
