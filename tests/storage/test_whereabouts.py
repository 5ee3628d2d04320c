"""Where somebody is follows from the changes of number, whichever of them was told first."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from storage.whereabouts import Address, Sighting, Step, follow, follow_on
from tests.worlds import NOON, later

A, B, C = (Address(1, f"+44770090010{n}", None) for n in range(3))
steps_of_people = st.lists(
    st.builds(
        lambda old, new, minutes: Step(old, new, later(minutes=minutes)),
        st.sampled_from([A, B, C]),
        st.sampled_from([A, B, C, Address(1, None, "GB.1")]),
        st.integers(0, 3),
    ),
    max_size=6,
)


def at(place: Address, minutes: int) -> Sighting:
    """Seen there so many minutes after noon."""
    return Sighting(place, later(minutes=minutes))


def test_a_word_of_the_moment_of_the_change_is_still_the_movers() -> None:
    """A later one from the old number is not."""
    steps = [Step(A, B, later(minutes=10))]
    assert [follow(at(A, minutes), steps)[0] for minutes in (9, 10, 11)] == [B, B, A]


def test_each_step_is_later_than_the_one_before() -> None:
    """A way back leads back, and a change from before somebody came is not theirs."""
    steps = [Step(A, B, later(minutes=10)), Step(B, A, later(minutes=20)), Step(B, C, later(minutes=5))]
    assert follow(at(A, 0), steps)[0] == A
    assert follow(at(B, 0), steps)[0] == C
    assert follow(at(B, 15), steps)[0] == A


def test_other_writings_of_the_line_are_the_same_place() -> None:
    """WhatsApp writes old Mexican numbers with a 1 that was left out when they were dialled."""
    steps = [Step(Address(1, "+525512345678", None), B, NOON)]
    assert follow(Sighting(Address(1, "+5215512345678", None), NOON), steps)[0] == B
    assert follow(Sighting(Address(2, "+525512345678", None), NOON), steps)[0].store_id == 2


def test_a_change_that_hides_the_new_number_keeps_the_old_one() -> None:
    """Only the user id is known to be another."""
    step = Step(Address(1, A.phone, "GB.1"), Address(1, None, "GB.2"), NOON)
    assert follow_on(step, [step])[0] == Address(1, A.phone, "GB.2")
    assert follow(Sighting(Address(1, None, "GB.1"), NOON), [step])[0] == Address(1, None, "GB.2")


@given(steps_of_people, st.data())
def test_the_order_in_which_steps_are_told_leads_nobody_elsewhere(steps: list[Step], data: st.DataObject) -> None:
    """Repeated and permuted, circles and all, the same steps lead to the same place, and each is taken later."""
    told = data.draw(st.permutations([*steps, *steps[:2]]))
    for place in (A, B, C):
        here = Sighting(place, NOON + timedelta(minutes=1))
        end, trail = follow(here, steps)
        assert follow(here, told)[0] == end
        assert [step.order for step in trail] == sorted({step.order for step in trail})
