import pytest

from policies.phone_forms import same_line


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("+5511987654321", "+551187654321"),
        ("+525512345678", "+5215512345678"),
        ("+541123456789", "+5491123456789"),
    ],
)
def test_both_forms_of_a_line_are_found_from_either(one: str, other: str) -> None:
    """The number itself comes first, then the form that other records may have."""
    assert same_line(one) == (one, other)
    assert same_line(other) == (other, one)


@pytest.mark.parametrize("phone", ["+447700900123", "+551123456789", "+12025550123"])
def test_other_numbers_have_one_form(phone: str) -> None:
    """Other countries and Brazilian fixed lines are left alone."""
    assert same_line(phone) == (phone,)
