from datetime import UTC, datetime, timedelta

import pytest

from policies.account_events import Effect, GoOn, Remark, Stop, effect_of

SOON = datetime(2026, 11, 25, tzinfo=UTC)
LATER = SOON + timedelta(days=3)
FIRST = "RESTRICTED_BIZ_INITIATED_MESSAGING"


@pytest.mark.parametrize(
    ("event", "ban", "restrictions", "effect"),
    [
        ("ACCOUNT_RESTRICTION", None, [(FIRST, SOON)], Stop(SOON)),
        ("ACCOUNT_RESTRICTION", None, [(FIRST, SOON), (FIRST, LATER)], Stop(LATER)),
        ("ACCOUNT_RESTRICTION", None, [(FIRST, SOON), (FIRST, None)], Stop(None)),
        ("ACCOUNT_RESTRICTION", None, [("RESTRICTED_ADD_PHONE_NUMBER_ACTION", SOON)], Remark(alert=True)),
        ("ACCOUNT_RESTRICTION", None, [], Remark(alert=True)),
        ("DISABLED_UPDATE", "SCHEDULE_FOR_DISABLE", [], Remark(alert=True)),
        ("DISABLED_UPDATE", "DISABLE", [], Stop(None)),
        ("DISABLED_UPDATE", "REINSTATE", [], GoOn()),
        ("ACCOUNT_DELETED", None, [], Stop(None)),
        ("ACCOUNT_OFFBOARDED", None, [], Stop(None)),
        ("ACCOUNT_RECONNECTED", None, [], GoOn()),
        ("ACCOUNT_VIOLATION", None, [], Remark(alert=True)),
        ("PARTNER_ADDED", None, [], Remark(alert=False)),
    ],
)
def test_only_what_forbids_the_first_word_stops_an_account(
    event: str, ban: str | None, restrictions: list[tuple[str, datetime | None]], effect: Effect
) -> None:
    """Bans, deletions and that one restriction stop sending; a reinstatement alone lets it go on."""
    assert effect_of(event, ban, restrictions) == effect
