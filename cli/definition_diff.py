"""What another version of a journey changes, for whoever is about to give it to new entrants."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cli.output import Output
from models.enums import JourneyState
from models.journey import Definition
from policies.definition_changes import changes
from reports.definitions import audience_words, coupon_words
from reports.documents import FieldChange
from storage.engine import Database
from storage.journeys import UnknownJourneyError, find_journey, latest_version, parse_definition
from storage.publishing import coming_number
from storage.stores import StoreParts, required_id


@dataclass(frozen=True, slots=True)
class Change:
    """A version that new entrants do not get yet, by the number that it has or will have, and what they get now."""

    number: int
    before: Definition


async def change_by(database: Database, parts: StoreParts, definition: Definition) -> Change | None:
    """What launching the definition changes for new entrants; None for a new journey, a draft, and nothing new."""
    async with database.read() as session:
        try:
            journey = await find_journey(session, parts.id, definition.name)
        except UnknownJourneyError:
            return None
        journey_id = required_id(journey.id)
        latest = await latest_version(session, journey_id)
        if journey.state is JourneyState.DRAFT or latest is None or latest.content_hash == definition.content_hash():
            return None
        number = await coming_number(session, journey_id, definition)
        return Change(number, parse_definition(latest.definition))


def show_change(output: Output, change: Change | None, definition: Definition) -> None:
    """The change for a person, if there is one."""
    if change is not None:
        show_differences(output, change, definition, differences(change.before, definition))


def differences(before: Definition, after: Definition) -> list[FieldChange]:
    """Every field that says something else."""
    return [FieldChange(field=one.field, before=one.before, after=one.after) for one in changes(before, after)]


def show_differences(output: Output, change: Change, after: Definition, found: Sequence[FieldChange]) -> None:
    """The differences for a person."""
    output.line(f"Version {change.number}, for those who enter from now on, differs in:")
    for line in _in_words(change.before, after):
        output.line(f"  {line}")
    output.table(
        ["field", "now", "then"],
        [[one.field, one.before or "(not set)", one.after or "(not set)"] for one in found],
    )


def _in_words(before: Definition, after: Definition) -> Iterator[str]:
    """Audience and coupon, which a field's name says too little about: what a preset is worth, say."""
    for what, words in (("audience", audience_words), ("coupon", coupon_words)):
        now, then = words(before) or "none", words(after) or "none"
        if now != then:
            yield f"{what}: {now}; then {then}"
