"""Mailing a report: whom to, whether it can be done at all, and what stands in the mail."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.failures import USAGE, Failure
from composition import mail_server
from models.tables import Store
from reports.export.document import ReportTotals
from reports.export.formats import Format
from settings import PREFIX, Settings

if TYPE_CHECKING:
    from providers.mail import Attachment, MailServer

_ADDRESS: Final = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+\.[^\s@<>,;\"]+")
_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Postbox:
    """Where a report is handed in and for whom; `largest` is in bytes."""

    server: "MailServer"
    recipients: tuple[str, ...]
    largest: int


def open_postbox(settings: Settings, store: Store, addresses: Sequence[str]) -> Postbox:
    """See that a mail can go, before any work is done for it.

    Args:
        settings: the installation's.
        store: whose alert addresses get it where none is given.
        addresses: those that were given.

    Raises:
        Failure: there is no mail server, nobody to write to, or an address is none.
    """
    server = mail_server(settings)
    if server is None:
        raise Failure(
            f"no mail server is configured, so nothing can be mailed: set {PREFIX}SMTP_URL and {PREFIX}MAIL_FROM, or "
            "leave --email out"
        )
    wrong = [one for one in addresses if _ADDRESS.fullmatch(one) is None]
    if wrong:
        raise Failure(*(f"{one[:60]!r} is no e-mail address" for one in wrong), code=USAGE)
    recipients = tuple(dict.fromkeys(addresses or store.alert_emails))
    if not recipients:
        raise Failure(
            f"{store.slug} has no alert address to mail it to: name one behind --email, or store one with "
            f"`store add {store.slug} --replace --alert-email ADDRESS`"
        )
    return Postbox(server, recipients, settings.mail_attachment_mb * _MEGABYTE)


async def post(
    box: Postbox, file: Path, form: Format, *, store: str, journey: str, days: str, totals: ReportTotals, now: datetime
) -> int:
    """Mail the file.

    Returns:
        How many of the recipients the server refused.

    Raises:
        Failure: the file is too large, or the mail was not taken. The file stays in both cases.
    """
    from providers.mail import Mail, MailNotSentError  # noqa: PLC0415 - loaded only where a mail is sent

    mail = Mail(
        key=f"report-{journey}-{now:%Y%m%d%H%M%S%f}",
        subject=f"[{store}] {journey}: report, {days}",
        body=_body(store, journey, days, totals),
        attachments=(_attached(file, form, box.largest),),
    )
    try:
        return await box.server.send(mail, box.recipients, at=now)
    except MailNotSentError as error:
        again = "" if error.permanent else "; try again later"
        raise Failure(f"{file} is written, but the mail did not go: {error}{again}") from None


def _attached(file: Path, form: Format, largest: int) -> "Attachment":
    from providers.mail import Attachment  # noqa: PLC0415 - as above

    size = file.stat().st_size
    if size > largest:
        raise Failure(
            f"{file} is written, but with {size / _MEGABYTE:.1f} MB it is too large to be mailed "
            f"(at most {largest / _MEGABYTE:g} MB)",
            "choose fewer days with --from and --to, or --format parquet, which is several times smaller; where your "
            f"mail server takes more, raise {PREFIX}MAIL_ATTACHMENT_MB",
        )
    return Attachment(file.name, form.media_type, file.read_bytes())


def _body(store: str, journey: str, days: str, totals: ReportTotals) -> str:
    rows = totals.rows
    lines = [
        f"The report of {journey} ({store}), {days}, is attached.",
        "",
        f"Messages: {rows['message']}",
        f"Orders of customers in the journey: {rows['order']}",
        f"Orders that belong to it: {totals.orders_attributed['total']}",
        *(f"Revenue: {one.total} {one.currency}" for one in totals.revenue),
        f"Messages not received, and customers who got none: {rows['not_received']}",
        "",
        "It holds the customers' names and telephone numbers in full. Keep it",
        "like a customer list, and delete it when it has done its work.",
        "",
        "Somebody with access to Rekindle asked for this mail.",
    ]
    return "\n".join(lines) + "\n"
