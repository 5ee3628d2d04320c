"""What a model's verdict about a conversation must keep to before anybody believes it.

None of these checks asks a model: a customer who talks the model into something meets them all the same. A verdict
needs evidence that stands in the conversation, and a suggestion may give away nothing that the shop did not offer.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from models.enums import BuyingIntent, SaleStanding
from policies.language import clear_language, clearly_another_language
from policies.message_text import TextProblemKind, check_text, clean_parameter, codes_in, links_in
from policies.offers import offers_beyond, offers_stated, stated

LONGEST_NOTE: Final = 200
"""Of a product and an objection; what is longer is cut."""
_LONGEST_QUOTE: Final = 500
_SHORTEST_PART: Final = 4
_SHORTEST_LINE: Final = 2

_ENDS = "'.,!?\u00bf\u00a1 "
_LANGUAGE_CODE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})?")
_MARKS = str.maketrans(dict.fromkeys('\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a"`\u00b4', "'"))
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))

# A customer who speaks to the model and not to the shop shows nothing about buying.
_IGNORE_THE_RULES = re.compile(
    r"\b(?:ignor\w*|disregard\w*|forget|override|olvid\w+|esque[c\u00e7]\w+|vergiss|vergessen|missachte\w*)\W+(?:\w+\W+){0,5}"
    r"(?:instructions?|rules?|prompts?|instru[c\u00e7]\w+|reglas|regras|anweisung\w*|regeln|vorgaben)\b"
    r"|\b(?:intent|asked_to_stop)\b\W{0,3}[:=]"
    r"|\bsystem\W?(?:prompt|message)\b|\[/?(?:system|inst|assistant)\]|<\|?/?(?:system|assistant|im_start|im_end)\b"
)
# All three in one quote: "mark me as high intent".
_RATE_ME = (
    re.compile(
        r"\b(?:mark|rate|classify|label|set|flag|m[a\u00e1]rca\w*|clasif\w+|calif\w+|classif\w+|marque\w*|markier\w*"
        r"|bewerte\w*|stuf\w*|einstuf\w*)\b"
    ),
    re.compile(
        r"\b(?:intent|intention|intenci[o\u00f3]n|inten[c\u00e7][a\u00e3]o|kauf(?:absicht|interesse)|absicht)\b"
    ),
    re.compile(r"\b(?:high|highest|maximum|top|alt[ao]|m[a\u00e1]xim[ao]|hoh\w*|hoch|h\u00f6chst\w*)\b"),
)


class VerdictFault(StrEnum):
    """What can be wrong with a verdict, beside what can be wrong with any text (`TextProblemKind`)."""

    NO_QUOTE = "no_quote"
    QUOTE_NOT_FOUND = "quote_not_found"
    QUOTE_TOO_SHORT = "quote_too_short"
    QUOTE_NOT_THEIRS = "quote_not_theirs"
    QUOTE_TO_THE_MODEL = "quote_to_the_model"
    NO_SUGGESTION = "no_suggestion"
    LANGUAGE_CODE = "language_code"
    INVENTED_OFFER = "invented_offer"


@dataclass(frozen=True, slots=True)
class VerdictProblem:
    """One reason not to believe a verdict.

    Attributes:
        code: the class of the fault, for the books.
        detail: in words for a model that tries again; it may quote the text, so it is not for logs.
    """

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Line:
    """One message of the conversation, and whether the customer wrote it."""

    text: str
    theirs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionRules:
    """What a suggested message is held to.

    Attributes:
        limit: its longest length in characters.
        wishes: the marketer's instructions.
        ours: what the shop's people and its assistant wrote in the conversation; with `wishes` all that is trusted.
        earlier: everything that the customer got from the shop.
        language: what it must be written in; None for the customer's own language.
        as_variable: it will stand in a template's variable.
    """

    limit: int
    wishes: str | None
    ours: Sequence[str]
    earlier: Sequence[str]
    language: str | None
    as_variable: bool


def needs_suggestion(*, intent: BuyingIntent, sale: SaleStanding, asked_to_stop: bool) -> bool:
    """Whether a verdict is one that a message may follow."""
    return intent is not BuyingIntent.NONE and sale is SaleStanding.OPEN and not asked_to_stop


def problems(
    *,
    intent: BuyingIntent,
    sale: SaleStanding,
    asked_to_stop: bool,
    language: str,
    suggestion: str | None,
    quote: str | None,
    lines: Sequence[Line],
    rules: SuggestionRules,
) -> list[VerdictProblem]:
    """Everything that is wrong with a verdict; empty if it may be believed.

    A suggestion is looked at only where one is needed (`needs_suggestion`); elsewhere it must not be kept.
    """
    wanted = needs_suggestion(intent=intent, sale=sale, asked_to_stop=asked_to_stop)
    found = list(
        _about_quote(
            quote,
            lines,
            needed=asked_to_stop or intent is not BuyingIntent.NONE,
            theirs=asked_to_stop or wanted,
        )
    )
    if _LANGUAGE_CODE.fullmatch(language) is None:
        found.append(_problem(VerdictFault.LANGUAGE_CODE, "language must be a code such as es or pt_BR"))
    if wanted:
        found.extend(_about_suggestion(suggestion, language, lines, rules))
    return found


def where_quoted(quote: str, lines: Sequence[Line]) -> int | None:
    """The newest of the messages that the quote stands in, the customer's before the shop's; None if in none."""
    plain = _plain_quote(quote)
    places = [at for at, line in enumerate(lines) if _stands_in(plain, _plain(line.text)) is not None]
    theirs = [at for at in places if lines[at].theirs]
    return max(theirs or places, default=None)


def as_note(text: str | None) -> str | None:
    """A product or an objection as it is kept: one clean line of a bounded length."""
    clean = clean_parameter(text) if text is not None else ""
    return (clean if len(clean) <= LONGEST_NOTE else f"{clean[: LONGEST_NOTE - 1].rstrip()}\u2026") or None


def as_quote(text: str | None) -> str | None:
    """A quote as it is kept; of a long one the beginning."""
    return text[:_LONGEST_QUOTE].strip() or None if text is not None else None


def _about_quote(quote: str | None, lines: Sequence[Line], *, needed: bool, theirs: bool) -> Iterator[VerdictProblem]:
    if quote is None or not quote.strip():
        if needed:
            yield _problem(VerdictFault.NO_QUOTE, "quote the words of the customer's that show it")
        return
    plain = _plain_quote(quote)
    places = [(line, whole) for line in lines if (whole := _stands_in(plain, _plain(line.text))) is not None]
    if not places:
        yield _problem(
            VerdictFault.QUOTE_NOT_FOUND,
            "the quote does not stand in any one message; copy it letter by letter out of a single message",
        )
        return
    if _weight(plain) < (_SHORTEST_LINE if any(whole for _, whole in places) else _SHORTEST_PART):
        yield _problem(VerdictFault.QUOTE_TOO_SHORT, "the quote is too short to show anything; quote the whole message")
    if theirs and not _is_theirs(places):
        yield _problem(
            VerdictFault.QUOTE_NOT_THEIRS,
            "the quote is the shop's own words; quote what the customer wrote, the whole message if in doubt",
        )
    if _IGNORE_THE_RULES.search(plain) or all(pattern.search(plain) for pattern in _RATE_ME):
        yield _problem(VerdictFault.QUOTE_TO_THE_MODEL, "the quote tells the reader what to do; it shows nothing")


def _is_theirs(places: Sequence[tuple[Line, bool]]) -> bool:
    """Whether the words are the customer's; a part of a message that only repeats the shop's is not."""
    ours = any(not line.theirs for line, _ in places)
    return any(line.theirs and (whole or not ours) for line, whole in places)


def _about_suggestion(
    suggestion: str | None, language: str, lines: Sequence[Line], rules: SuggestionRules
) -> Iterator[VerdictProblem]:
    if suggestion is None or not suggestion.strip():
        yield _problem(VerdictFault.NO_SUGGESTION, "the sale is open and the intent above none, so write the message")
        return
    told = stated([rules.wishes]) if rules.wishes else ""
    # `stated` is for comparing, in small letters; the links of a wish are taken as they are written.
    allowed = frozenset(link for link in links_in(rules.wishes or "") if link.casefold() in told)
    ours = "\n".join(rules.ours)
    asked = rules.language or (language if _LANGUAGE_CODE.fullmatch(language) else None)
    found = check_text(
        suggestion,
        limit=rules.limit,
        allowed_codes=codes_in(ours) | frozenset(code for code in codes_in(rules.wishes or "") if code.lower() in told),
        allowed_links=links_in(ours) | allowed,
        language=asked,
        earlier=rules.earlier,
        as_variable=rules.as_variable,
    )
    yield from (VerdictProblem(problem.kind.value, problem.detail) for problem in found)
    for detail in offers_beyond(suggestion, offers_stated(rules.wishes, rules.ours)):
        yield _problem(VerdictFault.INVENTED_OFFER, detail)
    if rules.language is None and all(problem.kind is not TextProblemKind.WRONG_LANGUAGE for problem in found):
        # The model's word for the language is no more to be believed than its text.
        theirs = clear_language(" ".join(line.text for line in lines if line.theirs))
        other = clearly_another_language(suggestion, theirs) if theirs is not None else None
        if other is not None:
            detail = f"the message is in {other}, and the customer writes in {theirs}"
            yield VerdictProblem(TextProblemKind.WRONG_LANGUAGE.value, detail)


def _problem(fault: VerdictFault, detail: str) -> VerdictProblem:
    return VerdictProblem(fault.value, detail)


def _plain(text: str) -> str:
    """As texts are compared: without case, kinds of quotation marks and dashes, and runs of blanks."""
    marks = unicodedata.normalize("NFKC", text).casefold().translate(_MARKS).translate(_DASHES)
    return " ".join("".join(c for c in marks if unicodedata.category(c) != "Cf").split())


def _plain_quote(quote: str) -> str:
    # Models put marks around what they quote, and dots where they left something out.
    return _plain(quote).strip(_ENDS) or _plain(quote)


def _weight(plain: str) -> int:
    return sum(not c.isspace() and unicodedata.category(c)[0] not in "PZ" for c in plain)


def _stands_in(quote: str, line: str) -> bool | None:
    """Whether the words are the whole line (True), a part of it that begins and ends at words (False), or neither."""
    if not quote:
        return None
    if quote in {line, line.strip(_ENDS)}:
        return True
    at = line.find(quote)
    while at >= 0:
        if not (_joined(line, at) or _joined(line, at + len(quote))):
            return False
        at = line.find(quote, at + 1)
    return None


def _joined(line: str, at: int) -> bool:
    """Whether a place lies inside a word; scripts without capitals may be written without blanks, so they have none."""
    return 0 < at < len(line) and all(c.isdigit() or c.upper() != c.lower() for c in line[at - 1 : at + 1])
