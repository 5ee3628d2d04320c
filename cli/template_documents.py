"""What `templates` answers with (see `cli/documents.py`)."""

from models.enums import TemplateStatus
from reports.documents import Document, Moment


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
