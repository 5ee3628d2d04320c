"""The guard before a claim, rule by rule and in order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from models.enums import ExitReason, HoldReason, JourneyState, SkipReason, TemplateStatus
from models.verdicts import Exit, Hold, Proceed, SkipStage, Verdict
from policies.calendar import SendingHours
from policies.guards import CHECK_VALID_FOR, ClaimFacts, before_claim

BERLIN = ZoneInfo("Europe/Berlin")
NOON, NIGHT = datetime(2026, 7, 1, 10, tzinfo=UTC), datetime(2026, 7, 1, 23, tzinfo=UTC)
OPENING = datetime(2026, 7, 2, 6, tzinfo=UTC)

GOOD = ClaimFacts(
    at=NOON,
    journey_state=JourneyState.ACTIVE,
    hours=SendingHours.parse("08:00-22:00"),
    zone=BERLIN,
    template_status=TemplateStatus.APPROVED,
    smart_sending_days=5,
    recent_order_days=10,
)

# In the order in which they decide; each is applied on top of all that follow it.
RULES: list[tuple[dict[str, Any], Verdict]] = [
    ({"exit_event": ExitReason.CUSTOMER_REPLIED}, Exit(ExitReason.CUSTOMER_REPLIED)),
    ({"erased": True}, Exit(ExitReason.DATA_ERASED)),
    ({"opted_out": True}, Exit(ExitReason.UNSUBSCRIBED)),
    ({"journey_state": JourneyState.STOPPED}, Exit(ExitReason.JOURNEY_STOPPED)),
    ({"journey_state": JourneyState.PAUSED}, Hold(HoldReason.JOURNEY_PAUSED)),
    ({"credential_ok": False}, Hold(HoldReason.CREDENTIAL)),
    ({"sender_paused": True, "sender_paused_until": NIGHT}, Hold(HoldReason.SENDER_PAUSED, NIGHT)),
    ({"says_nothing": True}, SkipStage(SkipReason.WINDOW_CLOSED)),
    ({"marketing_refused": True}, SkipStage(SkipReason.META_DECLINED)),
    ({"template_exists": False}, SkipStage(SkipReason.TEMPLATE_DEAD)),
    ({"template_status": TemplateStatus.PAUSED}, Hold(HoldReason.TEMPLATE_HELD)),
    ({"at": NIGHT}, Hold(HoldReason.HOURS, OPENING)),
    ({"last_other_marketing_at": NOON - timedelta(days=4)}, SkipStage(SkipReason.SMART_SENDING)),
    ({"last_order_at": NOON - timedelta(days=9)}, SkipStage(SkipReason.RECENT_ORDER)),
]


def test_a_message_that_nothing_stops_proceeds() -> None:
    """Good facts, go."""
    assert before_claim(GOOD) == Proceed()


@pytest.mark.parametrize(("changes", "verdict"), RULES)
def test_each_rule_decides_alone(changes: dict[str, Any], verdict: Verdict) -> None:
    """One fact changed, one verdict."""
    assert before_claim(replace(GOOD, **changes)) == verdict


@pytest.mark.parametrize("first", range(len(RULES)))
def test_the_first_rule_that_applies_decides(first: int) -> None:
    """With all later rules broken as well, the earliest one speaks."""
    facts = GOOD
    for changes, _ in reversed(RULES[first:]):
        facts = replace(facts, **changes)
    assert before_claim(facts) == RULES[first][1]


@pytest.mark.parametrize("state", list(JourneyState))
def test_only_an_active_journey_sends(state: JourneyState) -> None:
    """Stopped and archived end it, any other state waits."""
    verdict = before_claim(replace(GOOD, journey_state=state))
    if state is JourneyState.ACTIVE:
        assert verdict == Proceed()
    elif state in {JourneyState.STOPPED, JourneyState.ARCHIVED}:
        assert verdict == Exit(ExitReason.JOURNEY_STOPPED)
    else:
        assert verdict == Hold(HoldReason.JOURNEY_PAUSED)


@pytest.mark.parametrize("status", list(TemplateStatus))
def test_every_template_status_has_its_verdict(status: TemplateStatus) -> None:
    """Sendable ones go, final ones skip the stage, the rest wait; a free text needs none of them."""
    sendable = {"APPROVED", "FLAGGED", "REINSTATED"}
    dead = {"REJECTED", "DISABLED", "PENDING_DELETION", "DELETED", "ARCHIVED"}
    expected: Verdict = Hold(HoldReason.TEMPLATE_HELD)
    if status in sendable:
        expected = Proceed()
    elif status in dead:
        expected = SkipStage(SkipReason.TEMPLATE_DEAD)
    facts = replace(GOOD, template_status=status)
    assert before_claim(facts) == expected
    assert before_claim(replace(facts, uses_template=False, template_exists=False)) == Proceed()


def test_rules_of_zero_days_are_off() -> None:
    """A journey without smart sending and recent-order days sends right after anything."""
    facts = replace(GOOD, smart_sending_days=0, recent_order_days=0, last_other_marketing_at=NOON, last_order_at=NOON)
    assert before_claim(facts) == Proceed()


def test_a_check_is_stale_after_a_quarter_of_an_hour() -> None:
    """Fifteen minutes are still good, more are not."""
    assert not replace(GOOD, check_age=CHECK_VALID_FOR).stale
    assert replace(GOOD, check_age=CHECK_VALID_FOR + timedelta(seconds=1)).stale
