"""What may go out: the checks on a text that a person will read, and the filling of templates.

Most texts are written by a language model, and a model invents codes, links and names with a straight face. Each
check is cheap and errs towards refusal, because a refused text costs only the fallback template.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

from models.placeholders import Placeholder, parse
from policies.language import clearly_another_language

_TOO_ALIKE = 0.9
_SHORTEST_CODE = 5

# WhatsApp refuses these inside a template parameter (codes 132012 and 132018).
_LINE_BREAK = re.compile(r"[\n\r\v\f\x85\u2028\u2029]")
_WIDE_GAP = re.compile(r" {5,}")

# Endings that a bare `name.ending` must have to count as a link, so that "great.Come" does not.
_ENDINGS = (
    "app|ar|biz|br|cat|cc|chat|cl|click|club|co|com|de|deals|dev|es|eu|fr|gg|gl|gle|info|io|it|link|live|ly|me|mobi|mx"
    "|net|nl|online|org|page|pe|pt|sale|shop|site|store|tienda|to|top|tv|uk|us|uy|vip|website|xyz"
)
# A run of name characters is tried from its beginning only, which keeps a long run from taking quadratic time.
_LINK = re.compile(
    r"(?<![a-z0-9+.-])[a-z0-9+.-]*://\S+"
    r"|\bwww\.\S+"
    rf"|(?<![\w.-])(?:[\w-]+\.)+(?:{_ENDINGS})(?![\w-])(?:\.\w[\w-]*)*(?:[/?#:]\S*)?"
    r"|(?<![\w.-])(?:[\w-]+\.)+[^\W\d_]{2,}/\S*",
    re.IGNORECASE,
)
_LINK_TAIL = ".,;:!?)]}>*_~'\"\u00bb\u2019\u201d"

_TOKEN = re.compile(r"[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*")
_QUANTITY = re.compile(r"\d+(?:[a-z]+|[A-Z]{1,3})")  # 100ml, 24hours, 500ML
_NAMED_CODE = re.compile(
    r"(?i:\b(?:code|coupon|voucher|c[\u00f3o]digo|cup[\u00f3o]n|cupom)\b)[\s:*_\"'\u201c\u00ab-]{1,4}([A-Z][A-Z0-9]{3,})\b"
)

_UNFILLED = re.compile(
    r"\{[^{}]*\}|\{\{|\}\}"
    r"|\[[^\W\d_][^\[\]\n]{0,40}\]"
    r"|<[^\W\d][^<>\n]{0,40}>"
    r"|%[A-Za-z_]{2,40}%"
)

# Marks that turn the reading direction or take no room; zero-width joiners stay, emoji are made with them.
_INVISIBLE = frozenset(
    "\u00ad\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)


class TextProblemKind(StrEnum):
    """What can be wrong with a text."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    LINE_BREAK = "line_break"
    TAB = "tab"
    WIDE_GAP = "wide_gap"
    UNKNOWN_CODE = "unknown_code"
    UNKNOWN_LINK = "unknown_link"
    UNFILLED = "unfilled"
    WRONG_LANGUAGE = "wrong_language"
    REPEATED = "repeated"
    INVENTED_OFFER = "invented_offer"


@dataclass(frozen=True, slots=True)
class TextProblem:
    """One reason not to send a text.

    Attributes:
        kind: the class of the fault.
        detail: in words, for a model that tries again and for staff; it may quote the text, so it is not for logs.
    """

    kind: TextProblemKind
    detail: str


class VariableMissing(LookupError):  # noqa: N818 - the word of the skip reason
    """A placeholder has neither a value nor a default; `path` names it."""

    def __init__(self, path: str) -> None:
        super().__init__(f"nothing fills {{{path}}}")
        self.path = path


def check_text(
    text: str,
    *,
    limit: int,
    allowed_codes: frozenset[str],
    allowed_links: frozenset[str],
    language: str | None,
    earlier: Sequence[str],
    as_variable: bool,
) -> list[TextProblem]:
    """Every problem of a text that is otherwise ready to go; empty when it may.

    Args:
        text: after substitution.
        limit: longest length in characters.
        allowed_codes: coupon codes that exist for this customer; case does not matter.
        allowed_links: links that may stand in it; scheme, host's case and a last slash do not matter.
        language: what it should be written in, such as `pt_BR`; None where nobody says.
        earlier: what the customer got before.
        as_variable: it will stand in a template's parameter.
    """
    return [
        *_shape(text, limit, as_variable=as_variable),
        *_inventions(text, allowed_codes, allowed_links),
        *_wording(text, language, earlier),
    ]


def links_in(text: str) -> frozenset[str]:
    """What counts as a link in a text that we trust, for `allowed_links`."""
    return frozenset(match[0].rstrip(_LINK_TAIL) for match in _LINK.finditer(text))


def codes_in(text: str) -> frozenset[str]:
    """What looks like a code in a text that we trust, for `allowed_codes`: model numbers of products look alike."""
    return frozenset(_code_like(_LINK.sub(" ", text)))


def render(template_text: str, values: Mapping[str, str | None]) -> str:
    """Fill the placeholders of a text; a missing or blank value gives way to the placeholder's default.

    Args:
        template_text: in the small language of `models.placeholders`.
        values: by path; what is filled in is not read for placeholders again.

    Raises:
        VariableMissing: a placeholder has neither a value nor a default.
        ValueError: the text is no correct template.
    """
    return "".join(part if isinstance(part, str) else _fill(part, values) for part in parse(template_text))


def clean_parameter(text: str) -> str:
    """A value as it may stand in a template's parameter, whatever a customer or a shop wrote into the field.

    Line breaks, tabs and runs of spaces become one space; control characters and marks that turn the reading
    direction (with which a name can rewrite the sentence around it) go.
    """
    spaced = re.sub(r"[\s\x1c-\x1f\x85\u2028\u2029]+", " ", text)
    kept = (c for c in spaced if c not in _INVISIBLE and unicodedata.category(c) not in {"Cc", "Cs"})
    return re.sub(r" {2,}", " ", "".join(kept)).strip()


def _fill(placeholder: Placeholder, values: Mapping[str, str | None]) -> str:
    value = values.get(placeholder.path)
    if value is not None and value.strip():
        return value
    if placeholder.default is None:
        raise VariableMissing(placeholder.path)
    return placeholder.default


def _shape(text: str, limit: int, *, as_variable: bool) -> Iterator[TextProblem]:
    if not text.strip():
        yield TextProblem(TextProblemKind.EMPTY, "the text is empty")
    if len(text) > limit:
        yield TextProblem(TextProblemKind.TOO_LONG, f"the text has {len(text)} characters, and {limit} are allowed")
    if not as_variable:
        return
    if _LINE_BREAK.search(text):
        yield TextProblem(TextProblemKind.LINE_BREAK, "a line break cannot stand in a template variable")
    if "\t" in text:
        yield TextProblem(TextProblemKind.TAB, "a tab cannot stand in a template variable")
    if _WIDE_GAP.search(text):
        yield TextProblem(
            TextProblemKind.WIDE_GAP, "more than four spaces in a row cannot stand in a template variable"
        )


def _inventions(text: str, allowed_codes: frozenset[str], allowed_links: frozenset[str]) -> Iterator[TextProblem]:
    known_links = {_plain_link(link) for link in allowed_links}
    for match in _LINK.finditer(text):
        if _plain_link(match[0]) not in known_links:
            yield TextProblem(
                TextProblemKind.UNKNOWN_LINK, f"the link {match[0].rstrip(_LINK_TAIL)} is not one of ours"
            )
    prose = _LINK.sub(" ", text)
    known_codes = {code.casefold() for code in allowed_codes}
    for code in dict.fromkeys(_code_like(prose)):
        if code.casefold() not in known_codes:
            yield TextProblem(TextProblemKind.UNKNOWN_CODE, f"{code} is not a coupon code of this customer")
    for match in _UNFILLED.finditer(text):
        yield TextProblem(TextProblemKind.UNFILLED, f"{match[0]} was not filled in")


def _wording(text: str, language: str | None, earlier: Sequence[str]) -> Iterator[TextProblem]:
    other = clearly_another_language(text, language) if language is not None else None
    if other is not None:
        yield TextProblem(TextProblemKind.WRONG_LANGUAGE, f"the text is in {other}, and {language} was asked for")
    if any(_alike(text, before) for before in earlier):
        yield TextProblem(TextProblemKind.REPEATED, "the customer has had nearly the same text before")


def _code_like(prose: str) -> Iterator[str]:
    """Words that a reader would try at the checkout: letters with digits, or capitals right after "code"."""
    for match in _TOKEN.finditer(prose):
        token = match[0]
        # "SAVE-10" is one code, "10-day" and "mid-2026" are words with a number.
        parts = [token] if token.isupper() else re.split(r"[-_]", token)
        for part in parts:
            mixed = any(c.isdigit() for c in part) and any(c.isalpha() for c in part)
            if mixed and len(part) >= _SHORTEST_CODE and not _QUANTITY.fullmatch(part):
                yield part
    for match in _NAMED_CODE.finditer(prose):
        yield match[1]


def _plain_link(link: str) -> str:
    """Host in small letters and path, without scheme, `www.` and what the sentence put behind."""
    bare = re.sub(r"^(?:https?://)?(?:www\.)?", "", link.rstrip(_LINK_TAIL), flags=re.IGNORECASE)
    host, slash, path = bare.partition("/")
    return f"{host.lower()}{slash}{path}".rstrip("/")


def _alike(one: str, other: str) -> bool:
    first, second = _plain_words(one), _plain_words(other)
    if not first or not second:
        return False
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    # The two upper bounds are cheap and spare the quadratic comparison for most texts.
    return (
        matcher.real_quick_ratio() > _TOO_ALIKE and matcher.quick_ratio() > _TOO_ALIKE and matcher.ratio() > _TOO_ALIKE
    )


def _plain_words(text: str) -> str:
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))
