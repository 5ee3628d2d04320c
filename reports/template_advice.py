"""What a template's status at Meta means for what is sent with it, and what to do."""

from typing import Final

from models.enums import TemplateStatus

_GONE: Final = "Publish the journeys with another one; `templates substitute OLD NEW` keeps running versions going."
_ADVICE: Final[dict[TemplateStatus, str | None]] = {
    TemplateStatus.APPROVED: None,
    TemplateStatus.FLAGGED: "Meta warns of its quality: it is still sent, and may be paused next.",
    TemplateStatus.REINSTATED: None,
    TemplateStatus.PENDING: "Meta has not approved it yet; who is due waits.",
    TemplateStatus.IN_APPEAL: "It was rejected and the appeal is open; who is due waits.",
    TemplateStatus.PAUSED: "Meta has paused it for its quality; it comes back by itself after hours, or in WhatsApp "
    "Manager.",
    TemplateStatus.LIMIT_EXCEEDED: "The account has as many templates as it may have; delete some at Meta.",
    TemplateStatus.LOCKED: "Meta has locked it; look at it in WhatsApp Manager.",
    TemplateStatus.UNARCHIVED: "It was taken out of the archive; `templates --sync` asks Meta for its status.",
    TemplateStatus.UNKNOWN: "Meta refuses it, or says what we do not know; `templates --sync` asks again.",
    TemplateStatus.REJECTED: f"Meta has rejected it, so its stages are skipped. {_GONE}",
    TemplateStatus.DISABLED: f"Meta has disabled it for good, so its stages are skipped. {_GONE}",
    TemplateStatus.PENDING_DELETION: f"It is being deleted, so its stages are skipped. {_GONE}",
    TemplateStatus.DELETED: f"It was deleted, so its stages are skipped. {_GONE}",
    TemplateStatus.ARCHIVED: f"It is in the archive, so its stages are skipped. {_GONE}",
}


def advice_for(status: TemplateStatus) -> str | None:
    """What to do about a template with that status; None where nothing has to be done."""
    return _ADVICE[status]
