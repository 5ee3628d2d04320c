"""What makes two answers the same answer, and from when on a rule that says no lets the customer in."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.enums import ConsentState, LeftOut
from models.journey import WinBack
from policies.eligibility import Candidate, RuleResult, evaluate
from policies.watch_rules import Silence, evaluate_follow_up
from tests.silences import follow_up

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
JOURNEY = WinBack.model_validate(
    {
        "name": "quiet",
        "kind": "win_back",
        "audience": {"inactive_days": 60, "re_entry_days": 30},
        "stages": [{"after": "0d", "message": {"template": {"name": "winback_hello", "language": "en"}}}],
        "sending": {"recent_order_days": 70, "smart_sending_days": 5},
    }
)
_TIMED = [LeftOut.FILTER_INACTIVE_DAYS, LeftOut.RECENT_ORDER, LeftOut.SMART_SENDING, LeftOut.RE_ENTRY]


def rules(now: datetime, zone: str = "Europe/London", **facts: Any) -> dict[str, RuleResult]:
    """Every rule about somebody whom nothing but time keeps out."""
    who = Candidate(customer_id=1, phone="+447700900123", consent=ConsentState.SUBSCRIBED, **facts)
    return {one.rule: one for one in evaluate(who, JOURNEY, now=now, zone=ZoneInfo(zone), entry_key=None)}


def facts(at: datetime) -> dict[str, Any]:
    """An order, a message and an entry at one moment."""
    return {"last_order_at": at, "last_any_order_at": at, "last_marketing_at": at, "last_entered_at": at}


@pytest.mark.parametrize("rule", _TIMED)
def test_time_that_passes_is_no_other_reason(rule: LeftOut) -> None:
    """What was "12 days ago" becomes "13 days ago" and stays one answer; another order is another one."""
    first, later = rules(NOW, **facts(NOW - 3 * DAY))[rule], rules(NOW + DAY, **facts(NOW - 3 * DAY))[rule]
    assert (first.seen == later.seen, first.basis == later.basis) == (False, True)
    assert rules(NOW, **facts(NOW - 2 * DAY))[rule].basis != first.basis


def test_a_silence_that_lasts_is_one_reason() -> None:
    """How long ago our side wrote changes by the minute; since when it is silent does not."""
    silence = Silence(since=NOW, due_at=NOW + timedelta(hours=2), spoken_at=NOW, is_open=True)
    who = Candidate(customer_id=1, phone="+447700900123", consent=ConsentState.SUBSCRIBED)
    told = [
        next(
            one
            for one in evaluate_follow_up(who, silence, follow_up(), now=NOW + timedelta(minutes=minutes))
            if one.rule == LeftOut.FILTER_SILENCE
        )
        for minutes in (10, 50)
    ]
    assert told[0].seen != told[1].seen
    assert told[0].basis == told[1].basis
    assert told[0].passes_at == NOW + timedelta(hours=2)


@given(
    ago=st.timedeltas(min_value=timedelta(0), max_value=80 * DAY),
    zone=st.sampled_from(["Europe/London", "America/New_York", "Pacific/Apia", "America/Santiago"]),
    rule=st.sampled_from(_TIMED),
)
def test_a_rule_lets_in_from_the_moment_that_it_names(ago: timedelta, zone: str, rule: LeftOut) -> None:
    """At that moment it passes, and a moment before it does not, across clock changes; one that passes names none."""
    known = facts(NOW - ago)
    now = rules(NOW, zone, **known)[rule]
    assert (now.passes_at is None) == now.passed
    if now.passes_at is not None:
        assert rules(now.passes_at, zone, **known)[rule].passed
        assert not rules(now.passes_at - timedelta(microseconds=1), zone, **known)[rule].passed
