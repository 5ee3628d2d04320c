"""Mail over SMTP, spoken to a real server on this machine."""

import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from providers.mail import Attachment, Mail, MailAddressError, MailNotSentError, MailServer
from tests.mailbox import PASSWORD, Mailbox, mailbox

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
MAIL = Mail(key="event-1", subject="[shop] lapsed: is paused (stop_loss)", body="Größer als erwartet.\n")


@pytest.fixture
async def inbox() -> AsyncIterator[Mailbox]:
    """A running server."""
    async with mailbox() as box:
        yield box


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def test_a_mail_arrives_with_its_words_and_its_id(inbox: Mailbox) -> None:
    """All recipients get one mail from the sender named, whose id stays the same when it is sent again."""
    server = MailServer.from_url(inbox.url, "rekindle@example.com")
    for _ in range(2):
        await server.send(MAIL, ["a@example.com", "b@example.com"], at=AT)
    (recipients, first), (_, second) = inbox.received
    assert recipients == ["a@example.com", "b@example.com"]
    assert (first["From"], first["Subject"]) == ("rekindle@example.com", MAIL.subject)
    assert first["Message-ID"] == second["Message-ID"] == "<event-1@example.com>"
    assert first.get_content().splitlines() == MAIL.body.splitlines()
    assert first["Date"].datetime == AT


@pytest.mark.parametrize("content", ["\ufeffa,b\r\n'=1,é\r\n".encode(), bytes(range(256)) * 200, b""])
async def test_a_file_arrives_byte_for_byte(inbox: Mailbox, content: bytes) -> None:
    """Line ends, marks and bytes that are no text are what they were; name and type go with it."""
    file = Attachment("novembre été.csv", "text/csv; charset=utf-8", content)
    mail = Mail(key=MAIL.key, subject=MAIL.subject, body=MAIL.body, attachments=(file,))
    await MailServer.from_url(inbox.url, "rekindle@example.com").send(mail, ["a@example.com"], at=AT)
    ((_, message),) = inbox.received
    (attached,) = message.iter_attachments()
    assert attached.get_payload(decode=True) == content
    assert attached.get_filename() == file.name
    assert (attached.get_content_type(), attached.get_content_charset()) == ("text/csv", "utf-8")
    body = message.get_body()
    assert body is not None
    assert body.get_content().splitlines() == MAIL.body.splitlines()
    assert "Attachment" in repr(file)
    assert "novembre" not in repr(file)


async def test_recipients_who_are_refused_are_counted_while_the_others_get_it(inbox: Mailbox) -> None:
    """One wrong address keeps nobody from reading the mail, and does not pass unseen."""
    inbox.unknown = frozenset({"gone@example.com"})
    server = MailServer.from_url(inbox.url, "rekindle@example.com")
    assert await server.send(MAIL, ["a@example.com", "gone@example.com"], at=AT) == 1
    assert [recipients for recipients, _ in inbox.received] == [["a@example.com"]]


async def test_a_password_with_signs_is_written_percent_encoded(inbox: Mailbox) -> None:
    """The user and the password of the URL are what the server is told."""
    url = f"smtp://post%40shop:{quote(PASSWORD, safe='')}@127.0.0.1:{inbox.port}"
    await MailServer.from_url(url, "rekindle@example.com").send(MAIL, ["a@example.com"], at=AT)
    assert inbox.logins == ["post@shop"]
    assert len(inbox.received) == 1


@pytest.mark.parametrize(
    ("answer", "permanent"),
    [("550 no such mailbox", True), ("451 try later", False), ("535 who are you", False)],
)
async def test_a_refusal_says_whether_it_is_final(inbox: Mailbox, answer: str, *, permanent: bool) -> None:
    """A 5xx about the mail is; a 4xx, and a credential that can be mended, are not."""
    inbox.answer = answer
    server = MailServer.from_url(inbox.url, "rekindle@example.com")
    with pytest.raises(MailNotSentError) as caught:
        await server.send(MAIL, ["a@example.com"], at=AT)
    assert caught.value.permanent is permanent
    assert "mailbox" not in str(caught.value)


async def test_a_server_that_is_away_is_no_final_word() -> None:
    """Nobody listens: try again later."""
    server = MailServer.from_url(f"smtp://127.0.0.1:{closed_port()}", "rekindle@example.com")
    with pytest.raises(MailNotSentError) as caught:
        await server.send(MAIL, ["a@example.com"], at=AT)
    assert not caught.value.permanent


async def test_a_server_without_tls_is_refused_where_it_is_required(inbox: Mailbox) -> None:
    """`smtp+starttls://` sends nothing in the clear."""
    server = MailServer.from_url(f"smtp+starttls://127.0.0.1:{inbox.port}", "rekindle@example.com")
    with pytest.raises(MailNotSentError):
        await server.send(MAIL, ["a@example.com"], at=AT)
    assert inbox.received == []


@pytest.mark.parametrize(
    "url",
    ["http://mail.example.com", "smtp://", "smtp://u:p@mail.example.com:99999", "smtp://u:pa/ss@mail.example.com"],
)
def test_a_url_that_names_no_server_is_refused_without_being_repeated(url: str) -> None:
    """It may hold a password."""
    with pytest.raises(MailAddressError) as caught:
        MailServer.from_url(url, "rekindle@example.com")
    assert "mail.example.com" not in str(caught.value)
    assert repr(MailServer.from_url("smtps://u:secret@h", "a@b")).find("secret") == -1
