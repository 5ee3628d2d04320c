"""What a new version changes, field by field in the file's own words."""

from typing import Any

import pytest

from models.journey import WinBack
from policies.definition_changes import Change, changes
from tests.worlds import DEFINITION

CODE = {"template": "winback_coupon", "language": "en", "variables": {"1": "you", "2": "{coupon.code}"}}
HELLO = {"template": "winback_hello", "language": "en", "variables": {"1": "you"}}


def _version(**changed: Any) -> WinBack:
    stages = [{"after": "0d", "message": HELLO}, {"after": "3d", "message": HELLO}]
    raw = {"name": "quiet", "kind": "win_back", "audience": {"inactive_days": 60}, "stages": stages}
    return WinBack.model_validate(raw | changed)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            {"coupon": {"preset": "gentle"}, "stages": [{"after": "0d", "message": CODE}]},
            {"coupon": {"preset": "strong"}, "stages": [{"after": "0d", "message": CODE}]},
            [("coupon.preset", "gentle", "strong")],
        ),
        (
            {"coupon": {"preset": "gentle"}, "stages": [{"after": "0d", "message": CODE}]},
            {"coupon": {"code": "BACK10"}, "stages": [{"after": "0d", "message": CODE}]},
            [("coupon.code", None, "BACK10"), ("coupon.preset", "gentle", None)],
        ),
        (
            {"audience": {"inactive_days": 60, "inactive_days_max": 90}},
            {"audience": {"inactive_days": 60, "last_order_total": {"min": 20}}},
            [("audience.last_order_total.min", None, "20"), ("audience.inactive_days_max", "90", None)],
        ),
        (
            {},
            {"stages": [{"after": "0d", "message": HELLO}, {"after": "2d", "message": {**HELLO, "language": "es"}}]},
            [("stages[2].after", "3d", "2d"), ("stages[2].message.template.language", "en", "es")],
        ),
        (
            {},
            {"stages": [{"after": "0d", "message": HELLO}]},
            [
                ("stages[2].after", "3d", None),
                ("stages[2].message.template.name", "winback_hello", None),
                ("stages[2].message.template.language", "en", None),
                ("stages[2].message.template.variables.1", "you", None),
            ],
        ),
        (
            {},
            {"sending": {"weekdays": ["mon", "tue"]}},
            [("sending.weekdays", "mon, tue, wed, thu, fri, sat, sun", "mon, tue")],
        ),
    ],
)
def test_coupons_filters_stages_and_days_are_named_as_in_the_file(
    before: dict[str, Any], after: dict[str, Any], expected: list[tuple[str, str | None, str | None]]
) -> None:
    """What is gone comes last; stages count from 1; a list of plain values is one value."""
    assert changes(_version(**before), _version(**after)) == [Change(*one) for one in expected]


def test_the_same_definition_changes_nothing() -> None:
    """A version that is published again has nothing to show."""
    assert changes(DEFINITION, DEFINITION) == []
