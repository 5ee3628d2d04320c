"""Which templates a journey needs, and what keeps it from sending them: those that may come yet, and all others."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from models.enums import SENDABLE_TEMPLATE_STATUSES, TemplateStatus
from models.message import TemplateRef
from policies.guards import DEAD_TEMPLATE_STATUSES


class Readiness(StrEnum):
    """What may be said of a template."""

    READY = "ready"
    WAITS = "waits"
    DEAD = "dead"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Needed:
    """A template that a journey sends, and how it stands at Meta; no status means that it is not there."""

    name: str
    language: str
    status: TemplateStatus | None

    @property
    def readiness(self) -> Readiness:
        """Whether it can be sent, may be sent one day, or never."""
        if self.status is None:
            return Readiness.MISSING
        if self.status in SENDABLE_TEMPLATE_STATUSES:
            return Readiness.READY
        return Readiness.DEAD if self.status in DEAD_TEMPLATE_STATUSES else Readiness.WAITS

    @property
    def in_words(self) -> str:
        """For a person."""
        return f"template {self.name} ({self.language}): {self.status.value if self.status else 'not there'}"


def needed(templates: Iterable[TemplateRef], statuses: Mapping[tuple[str, str], TemplateStatus]) -> list[Needed]:
    """The journey's templates with their statuses, by name and language, in order of first use."""
    return [Needed(one.name, one.language, statuses.get((one.name, one.language))) for one in templates]


def not_ready(templates: Iterable[TemplateRef], statuses: Mapping[tuple[str, str], TemplateStatus]) -> list[Needed]:
    """Those of them that cannot be sent now."""
    return [one for one in needed(templates, statuses) if one.readiness is not Readiness.READY]
