"""What is learnt of a template between two looks at Meta's list: its status, and messages that Meta calls wrong."""

import logging
from datetime import datetime
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import SENDABLE_TEMPLATE_STATUSES, StoreEventKind, TemplateStatus
from models.message import Message
from models.tables import Number, Template
from policies.template_versions import fingerprint
from policies.whatsapp_reactions import explain
from storage.events import add_broadcast
from storage.store_events import record_store_event

_log = logging.getLogger(__name__)


def version_of(template: Template, message: Message) -> str:
    """What stands for a version's message with the template as Meta has it now."""
    return fingerprint(
        message,
        variables=template.variables,
        named=template.named_variables,
        copy_code_index=template.copy_code_index,
        body=template.body,
    )


def is_blocked(template: Template | None, message: Message) -> bool:
    """Whether Meta has called this message wrong for the template as it is."""
    return template is not None and bool(template.blocks) and version_of(template, message) in template.blocks


def block_key(template: Template, version: str) -> str:
    """The key of everybody who waits for a blocked message; the template's own release must not wake them."""
    return f"{_key(template)}#{version}"


def is_block_key(key: str) -> bool:
    """Whether a hold's key is one of a blocked message; neither Meta's names nor its languages have the sign."""
    return key.startswith("template:") and "#" in key


async def note_status(
    session: AsyncSession, template: Template, status: TemplateStatus, *, at: datetime, code: int | None = None
) -> None:
    """Meta says another thing of a template than before; its stores' people hear of it."""
    before, template.status = template.status, status
    if before is status:
        return
    sendable = status in SENDABLE_TEMPLATE_STATUSES
    detail: dict[str, Any] = {
        "template": template.name,
        "language": template.language,
        "before": before.value,
        "status": status.value,
    }
    if code is not None:
        detail |= {"code": code, "text": explain(code)}
    for store_id in await _stores(session, template.waba_id):
        await record_store_event(
            session,
            store_id,
            StoreEventKind.TEMPLATE_STATUS_CHANGED,
            dedupe_key=f"template:{template.id}:{status.value}:{at.isoformat()}",
            at=at,
            detail=detail,
            mail=not sendable,
        )


async def mark_template(
    session: AsyncSession,
    waba_id: str,
    name: str,
    language: str,
    status: TemplateStatus,
    code: int | None,
    *,
    at: datetime,
) -> None:
    """Remember what a refusal has said of a template, so that the next customers wait without a request each."""
    template = await locked_template(session, waba_id, name, language)
    # A failure that is told late says nothing of a template that Meta has listed since.
    if template is not None and at >= template.synced_at.replace(microsecond=0):
        await note_status(session, template, status, at=at, code=code)


async def block_message(
    session: AsyncSession,
    waba_id: str,
    name: str,
    language: str,
    message: Message,
    code: int | None,
    *,
    journey: str,
    at: datetime,
) -> str | None:
    """Nobody else asks with this message until the template, or the journey's version, is another one.

    Returns:
        What releases those who wait; None where we do not know the template.
    """
    template = await locked_template(session, waba_id, name, language)
    if template is None:
        return None
    version = version_of(template, message)
    if version not in template.blocks:
        template.blocks = {**template.blocks, version: {"code": code, "at": at.isoformat(), "journey": journey}}
        _log.error("whatsapp: template %s is blocked for a journey, code %s", template.id, code)
        for store_id in await _stores(session, waba_id):
            await record_store_event(
                session,
                store_id,
                StoreEventKind.TEMPLATE_BLOCKED,
                dedupe_key=f"blocked:{template.id}:{version}:{at.isoformat()}",
                at=at,
                detail={
                    "template": name,
                    "language": language,
                    "journey": journey,
                    "code": code,
                    "text": explain(code),
                },
            )
    await session.flush()
    return block_key(template, version)


def lift_blocks(session: AsyncSession, template: Template, *, now: datetime) -> int:
    """Everybody who waits for a blocked message of the template may try; how many messages there were."""
    lifted = len(template.blocks)
    for version in template.blocks:
        add_broadcast(session, block_key(template, version), now=now)
    if lifted:
        template.blocks = {}
    return lifted


async def locked_template(session: AsyncSession, waba_id: str, name: str, language: str) -> Template | None:
    """Our mirror of a template, locked until the transaction ends."""
    found = await session.exec(
        select(Template)
        .where(Template.waba_id == waba_id, Template.name == name, Template.language == language)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.first()


async def _stores(session: AsyncSession, waba_id: str) -> list[int]:
    """The stores with a number under the account."""
    found = await session.exec(
        select(Number.store_id).where(Number.waba_id == waba_id).distinct().order_by(col(Number.store_id))
    )
    return list(found)


def _key(template: Template) -> str:
    return f"template:{template.waba_id}:{template.name}:{template.language}"
