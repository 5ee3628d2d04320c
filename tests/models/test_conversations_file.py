"""Files of conversations and carts: what is taken, and every problem with its line."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.conversations_file import ConversationsFileError, read_conversations
from models.enums import ConsentState, MessageAuthor
from models.money import Money

CHAT: dict[str, Any] = {
    "conversation": "c-1",
    "phone": "+447700900101",
    "name": "Ana",
    "language": "pt_BR",
    "column": "quoted",
    "context": {"product": "bicicleta"},
    "messages": [
        {"id": "m1", "direction": "in", "at": "2026-03-02T09:00:00+01:00", "text": "Oi"},
        {"id": "m2", "direction": "out", "at": "2026-03-02T09:05:00+01:00", "text": "Olá"},
        {"id": "m3", "direction": "out", "author": "bot", "at": "2026-03-02T08:06:00Z", "text": "Tudo bem?"},
    ],
    "moves": [{"at": "2026-03-02T10:00:00+01:00", "column": None}],
    "closes": [{"at": "2026-03-02T08:30:00+01:00"}],
    "reopens": [],
}
CART: dict[str, Any] = {
    "checkout": "k-1",
    "phone": "+447700900102",
    "at": "2026-03-02T20:00:00+01:00",
    "items": [{"title": "Helmet", "quantity": 2}],
    "total": "59.90",
    "currency": "EUR",
}


def write(tmp_path: Path, *lines: Any) -> Path:
    """A file of these lines; what is no text is written as JSON."""
    path = tmp_path / "chats.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def problems(tmp_path: Path, *lines: Any) -> list[tuple[int, str]]:
    """What is wrong with a file of these lines."""
    with pytest.raises(ConversationsFileError) as caught:
        read_conversations(write(tmp_path, *lines), skip_bad_rows=False)
    return [(bad.line, bad.reason) for bad in caught.value.bad_rows]


def test_a_line_is_a_conversation_or_a_cart(tmp_path: Path) -> None:
    """Both kinds stand in one file, with everything that they say; blank lines and a byte order mark are nothing."""
    path = write(tmp_path, "", CHAT, "   ", CART)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    found = read_conversations(path, skip_bad_rows=False)
    (chat,), (cart,) = found.conversations, found.carts
    assert [one.author for one in chat.messages] == [MessageAuthor.CUSTOMER, MessageAuthor.AGENT, MessageAuthor.BOT]
    assert chat.messages[0].at == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert (chat.moves[0].column, chat.context, chat.consent) == (
        None,
        {"product": "bicicleta"},
        ConsentState.NEVER_SUBSCRIBED,
    )
    assert chat.first_at == found.first_at == datetime(2026, 3, 2, 7, 30, tzinfo=UTC)
    assert (cart.money, cart.consent, cart.completed_at) == (Money(5990, "EUR"), ConsentState.SUBSCRIBED, None)


MESSAGE = CHAT["messages"][0]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "no JSON"),
        ("[1]", "no JSON object"),
        ("[" * 100_000, "no JSON"),
        ('{"conversation": NaN}', "no JSON"),
        ({}, "a conversation or a checkout"),
        (CHAT | {"checkout": "k"}, "exactly one of these two keys"),
        (CHAT | {"phone": "07700 900101"}, "phone: an international number begins with +"),
        (CHAT | {"conversation": "a/b"}, "conversation: an id is 1 to 200 printable"),
        (CHAT | {"colum": "x"}, "colum is unknown; did you mean column?"),
        (CHAT | {"messages": []}, "messages:"),
        (CHAT | {"messages": [MESSAGE, MESSAGE]}, "the same id"),
        (CHAT | {"messages": [MESSAGE | {"at": "2026-03-02T09:00:00"}]}, "messages.1.at is no moment with its offset"),
        (CHAT | {"messages": [MESSAGE | {"at": 1772442000}]}, "write the moment as RFC 3339 text"),
        (CHAT | {"messages": [MESSAGE | {"at": "1999-03-02T09:00:00Z"}]}, "the year must be between"),
        (CHAT | {"messages": [MESSAGE | {"author": "agent"}]}, "author goes with direction out"),
        (CHAT | {"messages": [MESSAGE | {"direction": "out", "author": "journey"}]}, "author is agent or bot"),
        (CHAT | {"messages": [MESSAGE | {"text": "a\x00b"}]}, "U+0000"),
        ('{"conversation": "c", "phone": "+447700900101", "messages": [], "name": "\\ud800"}', "half a character"),
        (CHAT | {"context": {"a": 2**60}}, "too large"),
        (CHAT | {"context": {"a": "x" * 20_000}}, "longer than 16384"),
        (CHAT | {"moves": [{"at": MESSAGE["at"], "colunm": "x"}]}, "moves.1.colunm is unknown; did you mean column?"),
        (CART | {"currency": "Euro"}, "currency: a currency is three capital letters"),
        (CART | {"total": "-1"}, "total:"),
        (CART | {"completed_at": "2026-03-01T00:00:00Z"}, "completed_at is before at"),
        (CART | {"items": []}, "items:"),
        (CART | {"consent": "maybe"}, "consent must be"),
    ],
)
def test_a_bad_line_is_told_with_what_is_wrong(tmp_path: Path, line: Any, said: str) -> None:
    """Whatever stands in a line, the answer is a sentence about it, and never a phone number or a text."""
    found = problems(tmp_path, CART | {"checkout": "good"}, line)
    assert {number for number, _ in found} == {2}
    assert any(said in reason for _, reason in found), found
    assert not any("900101" in reason or "Oi" in reason for _, reason in found)


def test_every_problem_of_every_line_is_told(tmp_path: Path) -> None:
    """Nobody has to correct a file one problem at a time."""
    twice = CHAT | {"phone": "x", "language": "Portuguese"}
    assert [number for number, _ in problems(tmp_path, twice, CHAT, CHAT, "oops")] == [1, 1, 3, 4]
    assert (3, "the conversation c-1 stands in line 2 already") in problems(tmp_path, twice, CHAT, CHAT, "oops")


def test_good_lines_are_used_alone_only_when_asked(tmp_path: Path) -> None:
    """A half-broken file is refused; asked to, the reader goes on with the good lines and names the others."""
    found = read_conversations(write(tmp_path, "oops", CHAT), skip_bad_rows=True)
    assert [one.conversation for one in found.conversations] == ["c-1"]
    assert [bad.line for bad in found.bad_rows] == [1]


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_a_file_without_anything_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that holds nothing is a mistake, also when bad lines may be skipped."""
    path = tmp_path / "empty.jsonl"
    path.write_bytes(content)
    with pytest.raises(ConversationsFileError, match="neither a conversation nor a checkout"):
        read_conversations(path, skip_bad_rows=True)


def test_a_file_of_bad_lines_alone_is_refused(tmp_path: Path) -> None:
    """Skipping bad lines needs a good one; one in another encoding is a bad line."""
    path = tmp_path / "latin.jsonl"
    path.write_bytes('{"conversation": "ñ"}'.encode("latin-1"))
    with pytest.raises(ConversationsFileError, match="not UTF-8"):
        read_conversations(path, skip_bad_rows=True)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The reason is the system's own."""
    with pytest.raises(ConversationsFileError, match="cannot be read"):
        read_conversations(tmp_path / "nowhere.jsonl", skip_bad_rows=True)


def test_the_example_can_be_read() -> None:
    """The file beside the example journeys has hundreds of messages in three languages, and carts."""
    found = read_conversations(Path(__file__).parents[2] / "examples" / "conversations.jsonl", skip_bad_rows=False)
    assert sum(len(one.messages) for one in found.conversations) > 300
    assert {one.language for one in found.conversations} == {"en", "es", "pt_BR"}
    assert {move.column for one in found.conversations for move in one.moves} == {"quoted", "waiting_documents", "won"}
    assert all(one.closes for one in found.conversations if one.reopens)
    assert len(found.carts) > 10
    phones = [one.phone for one in found.conversations] + [one.phone for one in found.carts]
    assert {phone[:10] for phone in phones} == {"+447700900"}
