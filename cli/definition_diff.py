"""What another version of a journey changes, for whoever is about to give it to new entrants."""

from collections.abc import Iterator, Sequence

from cli.output import Output
from models.journey import Definition
from policies.definition_changes import changes
from reports.definitions import audience_words, coupon_words
from reports.documents import FieldChange


def differences(before: Definition, after: Definition) -> list[FieldChange]:
    """Every field that says something else."""
    return [FieldChange(field=one.field, before=one.before, after=one.after) for one in changes(before, after)]


def show_differences(
    output: Output, number: int, before: Definition, after: Definition, found: Sequence[FieldChange]
) -> None:
    """The differences for a person, of the version with that number to be."""
    output.line(f"Version {number}, for those who enter from now on, differs in:")
    for line in _in_words(before, after):
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
