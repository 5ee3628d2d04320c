"""What `keys` answers with (see `cli/documents.py`)."""

from models.enums import StaffRole
from reports.documents import Document, Moment


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
