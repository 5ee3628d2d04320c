"""Mail over SMTP, to a store's own people.

`smtp://` speaks TLS where the server offers it, `smtp+starttls://` insists on it, `smtps://` begins with it. A mail
carries a Message-ID of its own, so that one which is sent again after a lost answer can be told from a second one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

_ANSWERS_WITHIN_S: Final = 20.0
_TAKES_FILES_WITHIN_S: Final = 300.0
"""A mail with a file is one long line of bytes to a slow server, and somebody waits for it at a keyboard."""
_PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_PERMANENT: Final = range(500, 600)
_CREDENTIAL: Final = range(530, 540)
"""5xx codes that are about us, not about the mail: they can be mended."""


class MailAddressError(ValueError):
    """The mail server's URL cannot be used; the text never repeats it, as it may hold a password."""


class MailNotSentError(Exception):
    """The mail did not go; the text is a code or the fault's name and holds no address.

    Attributes:
        permanent: the same mail would be refused again.
    """

    def __init__(self, text: str, *, permanent: bool) -> None:
        super().__init__(text)
        self.permanent = permanent


@dataclass(frozen=True, slots=True, repr=False)
class Attachment:
    """A file that goes with a mail; its content is kept out of every log.

    Attributes:
        name: what it is called.
        media_type: such as `text/csv; charset=utf-8`.
        content: its bytes.
    """

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """A plain text for people, and files; `key` makes its Message-ID."""

    key: str
    subject: str
    body: str
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class MailServer:
    """Where mails are handed in, and as whom."""

    host: str
    port: int
    sender: str
    scheme: str
    user: str | None = None
    password: str | None = None

    @classmethod
    def from_url(cls, url: str, sender: str) -> "MailServer":
        """The server that a URL names: `smtps://user:password@host:465`.

        Raises:
            MailAddressError: it names none.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise MailAddressError("the port must be a number from 1 to 65535") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise MailAddressError(f"must start with {', '.join(f'{one}://' for one in _PORTS)} and name a host")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise MailAddressError("has something after the host; write a password's / ? # @ as %2F %3F %23 %40")
        return cls(
            host=parts.hostname,
            port=port or _PORTS[parts.scheme],
            sender=sender,
            scheme=parts.scheme,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    async def send(self, mail: Mail, recipients: Sequence[str], *, at: datetime) -> int:
        """Hand the mail in, for all recipients at once.

        Returns:
            How many of the recipients the server refused while it took the mail for the others.

        Raises:
            MailNotSentError: it was refused, or the server cannot be reached. It may have gone all the same if the
                connection broke after the last byte; whoever sends it again sends the same Message-ID.
        """
        try:
            refused, _ = await aiosmtplib.send(
                self._message(mail, recipients, at=at),
                hostname=self.host,
                port=self.port,
                username=self.user,
                password=self.password,
                use_tls=self.scheme == "smtps",
                start_tls={"smtp": None, "smtp+starttls": True, "smtps": False}[self.scheme],
                timeout=_TAKES_FILES_WITHIN_S if mail.attachments else _ANSWERS_WITHIN_S,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [one.code for one in error.recipients]
            raise MailNotSentError(f"recipients refused ({codes[0]})", permanent=all(map(_is_final, codes))) from None
        except aiosmtplib.SMTPResponseException as error:
            raise MailNotSentError(f"refused ({error.code})", permanent=_is_final(error.code)) from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise MailNotSentError(type(error).__name__, permanent=False) from None
        return len(refused)

    def _message(self, mail: Mail, recipients: Sequence[str], *, at: datetime) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self.sender
        message["To"] = ", ".join(recipients)
        message["Subject"] = mail.subject
        message["Date"] = format_datetime(at)
        domain = parseaddr(self.sender)[1].rpartition("@")[2] or "localhost"
        message["Message-ID"] = f"<{mail.key}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.body)
        for one in mail.attachments:
            # As bytes whatever they are: a text part would have its line ends and its mark rewritten.
            kind, _, options = one.media_type.partition(";")
            main, _, sub = kind.strip().partition("/")
            message.add_attachment(one.content, maintype=main, subtype=sub, filename=one.name, cte="base64")
            name, _, value = options.strip().partition("=")
            if name:
                next(reversed(list(message.iter_attachments()))).set_param(name, value)
        return message


def _is_final(code: int) -> bool:
    return code in _PERMANENT and code not in _CREDENTIAL
