from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from providers.whatsapp.updates import (
    AccountUpdate,
    CapabilityUpdate,
    PhoneQualityUpdate,
    Restriction,
    TemplateCategoryUpdate,
    TemplateQualityUpdate,
    Unrecognised,
    Update,
)
from providers.whatsapp.webhooks import parse

from .bodies import SENT_AT, only, webhook

AT = datetime.fromtimestamp(SENT_AT, UTC)
TEMPLATE: dict[str, Any] = {
    "message_template_id": 7,
    "message_template_name": "t",
    "message_template_language": "pt-BR",
}
LIMIT = "max_daily_conversations_per_business"


def told(field: str, time: int | None = SENT_AT, **value: Any) -> Update:
    """The update in a change of this field."""
    return only(webhook(field, time=time, **value))


def account(**value: Any) -> AccountUpdate:
    """An account update with these contents."""
    update = told("account_update", **value)
    assert isinstance(update, AccountUpdate)
    return update


def test_a_template_quality_is_normalised_and_needs_no_previous_one() -> None:
    """Case and language come out in one form; a template's first colour has none before it."""
    update = told("message_template_quality_update", **TEMPLATE, new_quality_score="yellow")
    assert isinstance(update, TemplateQualityUpdate)
    assert (update.template_id, update.name, update.language) == ("7", "t", "pt_BR")
    assert (update.previous, update.new, update.at) == (None, "YELLOW", AT)


def test_a_category_change_is_told_from_its_announcement() -> None:
    """The move that is done names what was, the one that is announced what will be; both what holds now."""
    done = told("template_category_update", **TEMPLATE, previous_category="UTILITY", new_category="marketing")
    assert isinstance(done, TemplateCategoryUpdate)
    assert (done.previous_category, done.new_category, done.correct_category) == ("UTILITY", "MARKETING", None)
    announced = told(
        "template_category_update",
        **TEMPLATE,
        new_category="UTILITY",
        correct_category="MARKETING",
        category_update_timestamp=SENT_AT + 86400,
    )
    assert isinstance(announced, TemplateCategoryUpdate)
    assert (announced.previous_category, announced.new_category) == (None, "UTILITY")
    assert (announced.correct_category, announced.at) == ("MARKETING", AT)
    settled = told("template_category_update", **TEMPLATE, new_category="UTILITY")
    assert len({done.dedupe_key, announced.dedupe_key, settled.dedupe_key}) == 3


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("November 20, 2026", date(2026, 11, 20)),
        ("Sept. 3, 2026", date(2026, 9, 3)),
        ("2026-11-20", date(2026, 11, 20)),
        ("2026-11-20T23:30:00-0200", date(2026, 11, 21)),
        (1795132800, date(2026, 11, 20)),
        ("1795132800000", date(2026, 11, 20)),
        ("DATE", None),
        ("February 30, 2026", None),
        ("Nonember 3, 2026", None),
        ("9999-12-31T23:59:59-23:59", None),
        (None, None),
        ([], None),
    ],
)
def test_the_day_of_a_ban_is_read_in_every_form(written: Any, day: date | None) -> None:
    """Meta writes it for people; what is no day at all costs the update nothing."""
    update = account(event="disabled_update", ban_info={"waba_ban_state": "disable", "waba_ban_date": written})
    assert (update.event, update.ban_state, update.ban_date) == ("DISABLED_UPDATE", "DISABLE", day)


@pytest.mark.parametrize(
    ("written", "ends"),
    [
        (1795600000, datetime.fromtimestamp(1795600000, UTC)),
        ("1795600000", datetime.fromtimestamp(1795600000, UTC)),
        (1795600000000, datetime.fromtimestamp(1795600000, UTC)),
        ("2026-04-19T13:59:20+0200", datetime(2026, 4, 19, 13, 59, 20, tzinfo=timezone(timedelta(hours=2)))),
        ("2026-04-19T13:59:20", datetime(2026, 4, 19, 13, 59, 20, tzinfo=UTC)),
        ("soon", None),
        (0, None),
        (None, None),
    ],
)
def test_the_end_of_a_restriction_is_read_in_every_form(written: Any, ends: datetime | None) -> None:
    """Seconds, milliseconds and ISO 8601 name the same moment; anything else is no end, never an end by now."""
    restriction = {"restriction_type": "restricted_biz_initiated_messaging", "expiration": written}
    (found,) = account(event="ACCOUNT_RESTRICTION", restriction_info=[restriction]).restrictions
    assert found == Restriction("RESTRICTED_BIZ_INITIATED_MESSAGING", ends)


def test_a_restriction_that_cannot_be_read_is_still_counted() -> None:
    """An account with one restriction too many is safer than one with none."""
    good = {"restriction_type": "RESTRICTED_UTILITY_TEMPLATES"}
    update = account(event="ACCOUNT_RESTRICTION", restriction_info=[7, {"restriction_type": 7.5}, good])
    assert [one.type for one in update.restrictions] == ["UNKNOWN", "UNKNOWN", "RESTRICTED_UTILITY_TEMPLATES"]
    assert account(event="ACCOUNT_RESTRICTION", restriction_info=good).restrictions == update.restrictions[2:]
    assert account(event="ACCOUNT_RESTRICTION", restriction_info="all").restrictions == ()


def test_a_violation_and_the_account_of_a_client_are_read() -> None:
    """A partner's entry names the client's account inside."""
    assert account(event="ACCOUNT_VIOLATION", violation_info={"violation_type": "SCAM"}).violation == "SCAM"
    assert account(event="PARTNER_ADDED", waba_info={"waba_id": "800000000000009"}).waba_id == "800000000000009"
    assert account(event="PARTNER_ADDED").waba_id == "800000000000001"


@pytest.mark.parametrize(
    ("written", "limit"),
    [
        (250, 250),
        ("2000", 2000),
        ("TIER_250", 250),
        ("TIER_2K", 2000),
        ("tier_100k", 100_000),
        (-1, None),
        ("-1", None),
        ("TIER_UNLIMITED", None),
        ("unlimited", None),
    ],
)
def test_a_limit_is_read_in_every_form(written: Any, limit: int | None) -> None:
    """Numbers, digits and tiers are the same limit, and -1 is none."""
    capability = told("business_capability_update", **{LIMIT: written})
    assert isinstance(capability, CapabilityUpdate)
    assert (capability.max_daily, capability.at) == (limit, AT)
    number = told(
        "phone_number_quality_update", display_phone_number="15550000001", event="upgrade", **{LIMIT: written}
    )
    assert isinstance(number, PhoneQualityUpdate)
    assert (number.event, number.limit_told, number.max_daily) == ("UPGRADE", True, limit)


@pytest.mark.parametrize("written", ["TIER_NOT_SET", "", 0, -2, 2.5, True, None, "9" * 30, [250], "٢٥٠"])
def test_a_limit_that_cannot_be_read_is_not_no_limit(written: Any) -> None:
    """A capability without one is kept as it came, and a number's update tells none."""
    value = {LIMIT: written}
    assert isinstance(told("business_capability_update", **value), Unrecognised)
    number = told("phone_number_quality_update", display_phone_number="15550000001", event="FLAGGED", **value)
    assert isinstance(number, PhoneQualityUpdate)
    assert (number.limit_told, number.max_daily) == (False, None)


@pytest.mark.parametrize(
    "written", ["15550000001", "+15550000001", "+1 555-000-0001", "+1 (555) 000 0001", 15550000001]
)
def test_a_number_is_read_as_people_write_it(written: Any) -> None:
    """Spaces and hyphens make no other number of it."""
    update = told("phone_number_quality_update", display_phone_number=written, event="ONBOARDING")
    assert isinstance(update, PhoneQualityUpdate)
    assert update.display_phone == "+15550000001"


ALL: dict[str, dict[str, Any]] = {
    "message_template_quality_update": {**TEMPLATE, "new_quality_score": "RED"},
    "template_category_update": {**TEMPLATE, "new_category": "MARKETING"},
    "account_update": {"event": "ACCOUNT_DELETED"},
    "business_capability_update": {LIMIT: 250},
    "phone_number_quality_update": {"display_phone_number": "15550000001", "event": "FLAGGED"},
}


@pytest.mark.parametrize("field", ALL)
def test_an_update_without_a_time_takes_that_of_its_receipt(field: str) -> None:
    """The entry's milliseconds count, then the receipt; without either it is kept as it came."""
    received = datetime(2030, 1, 2, tzinfo=UTC)
    (late,) = parse(webhook(field, **ALL[field]), received_at=received).updates
    (milliseconds,) = parse(webhook(field, time=SENT_AT * 1000, **ALL[field]), received_at=received).updates
    assert not isinstance(late, Unrecognised)
    assert getattr(late, "at", None) == received
    assert getattr(milliseconds, "at", None) == AT
    assert isinstance(only(webhook(field, **ALL[field])), Unrecognised)


@pytest.mark.parametrize("field", ALL)
def test_a_repeated_update_has_one_key_and_a_later_one_another(field: str) -> None:
    """Meta's retry of the same event is recognised, also when it is received later; the same word a day on is new."""
    tomorrow = AT + timedelta(days=1)
    first, again, later, timeless, timeless_again = (
        parse(webhook(field, time=time, **ALL[field]), received_at=received).updates[0].dedupe_key
        for time, received in ((SENT_AT, AT), (SENT_AT, tomorrow), (SENT_AT + 86400, AT), (None, AT), (None, tomorrow))
    )
    assert first == again != later
    assert timeless == timeless_again


@pytest.mark.parametrize(("field", "missing"), [(field, name) for field, value in ALL.items() for name in value])
def test_an_update_without_what_makes_it_is_kept_as_it_came(field: str, missing: str) -> None:
    """No update comes out half read."""
    update = told(field, **{name: value for name, value in ALL[field].items() if name != missing})
    assert isinstance(update, Unrecognised)
    assert update.field == field
