"""Echoes of our own side and people who move; `test_webhooks` has what customers write and statuses say."""

from datetime import UTC, datetime
from typing import Any

import pytest

from providers.whatsapp.updates import Echo, NumberChanged, Unrecognised, Update
from providers.whatsapp.webhooks import parse

from .bodies import METADATA, messages, only, webhook

ECHO = {
    "from": "15550000001",
    "to": "447700900123",
    "id": "wamid.E",
    "timestamp": "1795000003",
    "type": "text",
    "text": {"body": "We have it in blue"},
}


def echoes(*pieces: Any, field: str = "smb_message_echoes", **more: Any) -> bytes:
    """A body with echoes."""
    return webhook(field, messaging_product="whatsapp", metadata=METADATA, message_echoes=list(pieces), **more)


def echo(piece: dict[str, Any], **more: Any) -> Echo:
    """The single echo in a body."""
    update = only(echoes(piece, **more))
    assert isinstance(update, Echo)
    return update


def without(piece: dict[str, Any], *names: str) -> dict[str, Any]:
    """A piece that lacks some members."""
    return {name: value for name, value in piece.items() if name not in names}


@pytest.mark.parametrize("field", ["smb_message_echoes", "message_echoes"])
def test_what_staff_wrote_is_read_from_both_fields(field: str) -> None:
    """The WhatsApp Business app and other tools report under different names; the message is one and the same."""
    update = echo(ECHO, field=field)
    assert (update.waba_id, update.phone_number_id) == ("800000000000001", "900000000000001")
    assert (update.id, update.kind, update.text, update.original_id) == ("wamid.E", "text", "We have it in blue", None)
    assert (update.to_phone, update.to_user_id) == ("+447700900123", None)
    assert update.at == datetime.fromtimestamp(1795000003, UTC)
    assert update.dedupe_key == echo(ECHO).dedupe_key
    assert "447700900123" not in update.dedupe_key


def test_an_echo_to_a_hidden_phone_is_read() -> None:
    """A customer is known by user id, told in the piece or by the contact beside it; without any there is no echo."""
    hidden = echo(without(ECHO, "to") | {"to_user_id": "GB.1"})
    assert (hidden.to_phone, hidden.to_user_id) == (None, "GB.1")
    strangers = [{"wa_id": "447700900124", "user_id": "GB.2"}, {"wa_id": "447700900123", "user_id": "GB.1"}]
    assert echo(ECHO, contacts=strangers).to_user_id == "GB.1"
    assert isinstance(only(echoes(without(ECHO, "to"))), Unrecognised)


@pytest.mark.parametrize("stamp", ["1795000003000", 1795000003, 1795000003000])
def test_an_echo_is_dated_in_every_form(stamp: Any) -> None:
    """Seconds and milliseconds, numbers and strings name the same moment."""
    assert echo(ECHO | {"timestamp": stamp}).at == datetime.fromtimestamp(1795000003, UTC)


@pytest.mark.parametrize(
    ("piece", "words"),
    [
        ({"type": "image", "image": {"id": "1", "caption": "In blue"}}, "In blue"),
        ({"type": "audio", "audio": {"id": "1"}}, None),
        (
            {"type": "interactive", "interactive": {"type": "button", "body": {"text": "Which?"}, "action": {}}},
            "Which?",
        ),
        ({"type": "template", "template": {"name": "winback_hello"}}, None),
        ({"type": "something_new"}, None),
    ],
)
def test_every_kind_of_echo_counts(piece: dict[str, Any], words: str | None) -> None:
    """That our side wrote matters also where there are no words to read."""
    update = echo(without(ECHO, "text") | piece)
    assert (update.kind, update.text) == (piece["type"], words)


def test_an_edited_or_revoked_message_names_the_one_it_changed() -> None:
    """Staff that corrects or deletes has not written again, and each change has a key of its own."""
    inner = {"type": "text", "text": {"body": "In green"}}
    edited = echo(ECHO | {"type": "edit", "edit": {"original_message_id": "wamid.E", "message": inner}})
    revoked = echo(ECHO | {"type": "revoke", "revoke": {"original_message_id": "wamid.E"}})
    assert (edited.kind, edited.text, edited.original_id) == ("edit", "In green", "wamid.E")
    assert (revoked.kind, revoked.text, revoked.original_id) == ("revoke", None, "wamid.E")
    assert len({echo(ECHO).dedupe_key, edited.dedupe_key, revoked.dedupe_key}) == 3


def test_echoes_keep_their_readable_neighbours() -> None:
    """One that nobody can read costs the others nothing, and an empty list is kept as it came."""
    first, junk, last = parse(echoes(ECHO, {"id": []}, ECHO | {"id": "wamid.F"})).updates
    assert isinstance(first, Echo)
    assert isinstance(junk, Unrecognised)
    assert junk.field == "smb_message_echoes.message_echoes"
    assert isinstance(last, Echo)
    assert isinstance(only(echoes()), Unrecognised)


MOVED = {"from": "447700900123", "id": "wamid.S", "timestamp": "1795000005", "type": "system"}


def moved(system: dict[str, Any], piece: dict[str, Any] | None = None) -> Update:
    """What a system message says."""
    return only(messages(messages=[(MOVED if piece is None else piece) | {"system": system}]))


def test_a_new_number_comes_with_its_new_user_id() -> None:
    """Both identities are read, old and new: the old user id never comes again."""
    update = moved(
        {"type": "user_changed_number", "wa_id": "447700900999", "user_id": "GB.2"}, MOVED | {"from_user_id": "GB.1"}
    )
    assert isinstance(update, NumberChanged)
    assert (update.old_phone, update.new_phone) == ("+447700900123", "+447700900999")
    assert (update.old_user_id, update.new_user_id) == ("GB.1", "GB.2")


def test_a_person_without_a_phone_changes_the_user_id_alone() -> None:
    """Nothing but ids is known of somebody who hides the number."""
    system = {"type": "user_changed_user_id", "previous_user_id": "GB.1", "user_id": "GB.2"}
    update = moved(system, without(MOVED, "from"))
    assert isinstance(update, NumberChanged)
    assert (update.old_phone, update.new_phone) == (None, None)
    assert (update.old_user_id, update.new_user_id) == ("GB.1", "GB.2")


def test_the_oldest_dialect_names_the_new_number_apart() -> None:
    """Where `new_wa_id` stands beside `wa_id`, the latter is the number that was left."""
    system = {"type": "customer_changed_number", "wa_id": "447700900123", "new_wa_id": "447700900999"}
    update = moved(system | {"customer": "447700900123"}, without(MOVED, "from"))
    assert isinstance(update, NumberChanged)
    assert (update.old_phone, update.new_phone) == ("+447700900123", "+447700900999")


@pytest.mark.parametrize(
    ("system", "dropped"),
    [
        ({"type": "user_changed_number", "wa_id": "?"}, ()),
        ({"type": "user_changed_number", "wa_id": "447700900999"}, ("from",)),
        ({"type": "customer_identity_changed", "wa_id": "447700900999"}, ()),
        ({"wa_id": "447700900999"}, ()),
    ],
)
def test_a_move_from_or_to_nowhere_is_kept_as_it_came(system: dict[str, Any], dropped: tuple[str, ...]) -> None:
    """Nobody is moved on half a piece of news, nor on another kind of news."""
    assert isinstance(moved(system, without(MOVED, *dropped)), Unrecognised)
