"""What a text offers a customer, and whether the shop offered that itself.

A customer can talk a language model into giving things away, so what a model writes may hold no discount, price or
gift that the shop's own side did not state. Words are compared by what they offer, not by how: an instruction in
English allows the same in Spanish. Where it is not clear what was stated, it was not: a refused text costs another try.
"""

import re
import unicodedata
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class OfferKind(StrEnum):
    """What can be given away."""

    PERCENT = "percent"
    AMOUNT = "amount"
    DISCOUNT = "discount"
    FREE_DELIVERY = "free_delivery"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that a text offers.

    Attributes:
        kind: of what sort.
        value: the figure of a percentage or an amount; empty for the others.
    """

    kind: OfferKind
    value: str = ""


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


_NUMBER = r"\d+(?:[.,\u2019' ]\d{3})*(?:[.,]\d{1,2})?(?!\d)"
_PERCENT = re.compile(
    r"(?<![\w.,])(?P<value>[\w.,]+)[\s-]*(?:[%\u066a\u2030]"
    r"|(?:per ?cent|pct|por ?ciento|por ?cento|prozent|pour ?cent|per ?cento|procent)\b)"
)
_CURRENCY = (
    r"(?:r\$|us\$|mx\$|[$\u20ac\u00a3\u00a5\u20b9]"
    r"|\b(?:usd|eur|gbp|brl|mxn|ars|cop|clp|pen|chf|dollars?|bucks|euros?|pounds?|quid|reais|real|pesos?|soles"
    r"|d[o\u00f3]lar(?:es)?|franken)\b)"
)
_PRICE_WORD = (
    r"\b(?:costs?|price|priced|only|just|cuestan?|precio|vale|solo|s\u00f3lo|custam?|pre\u00e7o|sai|fica|s\u00f3|apenas"
    r"|kostet|kosten|preis|nur)\b"
)
_AMOUNTS = (
    re.compile(rf"{_CURRENCY}\s*(?P<value>{_NUMBER})"),
    re.compile(rf"(?<!\d)(?P<value>{_NUMBER})\s*{_CURRENCY}"),
    re.compile(
        r"\b(?:costs?|price(?: is| of)?|cuestan?|precio(?: es| de)?|custam?|pre\u00e7o(?: \u00e9| de)?|sai por|fica em"
        r"|kostet|kosten|preis(?: ist| von)?)\W{1,3}(?:(?:only|just|solo|s\u00f3lo|s\u00f3|apenas|nur)\W)?"
        rf"(?P<value>{_NUMBER})"
    ),
    # "for just 10", "te lo dejo en 10": a figure without a currency, in words in which only a price is named.
    re.compile(
        r"\b(?:for (?:just|only)|por (?:solo|s\u00f3lo|s\u00f3|apenas)|f\u00fcr nur"
        r"|(?:sell|give|do|have|let you have) (?:it|them|that|this)(?: to you)? for"
        r"|(?:(?:te|se) )?l[oa]s? (?:dej|doy|damos|vend)\w* (?:en|por|a)"
        r"|(?:fa\u00e7o|fazemos|deixo|deixamos|vendo|vendemos)(?: \w+){0,2} por)\s"
        rf"(?P<value>{_NUMBER})"
        r"(?! ?(?:minut|hour|day|week|month|hora|d[i\u00ed]a|semana|mes|stunde|tag|woche|people|pe[rs]))"
    ),
)
# A figure that the shop wrote without a currency is a price if it has cents, if it is long, or by the word before it.
_BARE_AMOUNTS = (
    re.compile(r"(?<![\d:.,/])(?P<value>\d+[.,]\d{2})(?![\d:.,/%])"),
    re.compile(r"(?<![\d:.,/])(?P<value>\d{1,3}(?:[., ]\d{3})+|\d{3,6})(?![\d:/%])"),
    re.compile(rf"{_PRICE_WORD}\W{{1,3}}(?P<value>{_NUMBER})(?!\s*%)"),
)

_FREE_DELIVERY = _any(
    r"\bfree (?:\w+ )?(?:shipping|delivery|postage)\b",
    r"\b(?:shipping|delivery|postage) (?:is |comes )?(?:for )?free\b",
    r"\bships? (?:for )?free\b",
    r"\benv[i\u00ed]os? (?:\w+ ){0,2}(?:gratis|gratuitos?)\b",
    r"\bsin (?:costos?|costes?|gastos) de env[i\u00ed]o\b",
    r"\b(?:frete|entrega|envio) (?:\w+ )?(?:gr[a\u00e1]tis|gratuit[oa])\b",
    r"\b(?:kostenlos|gratis|kostenfrei|frei)\w* (?:versand|lieferung)\w*\b",
    r"\b(?:versand|lieferung) (?:\w+ )?(?:kostenlos|gratis|kostenfrei|frei)\b",
    r"\bversandkostenfrei\w*\b",
    r"\b(?:shipping|delivery|postage) (?:is |comes |are )?(?:on us|included|on the house)\b",
    r"\bwe(?:'ll| will)? (?:cover|pay(?: for)?|take care of) (?:the |your )?(?:shipping|delivery|postage)\b",
    r"\benv[i\u00ed]os? (?:\w+ ){0,2}(?:incluidos?|por nuestra cuenta)\b",
    r"\b(?:frete|entrega|envio) (?:\w+ ){0,2}(?:inclu[i\u00ed]d[oa]|por nossa conta)\b",
    r"\b(?:versand|lieferung) (?:\w+ )?(?:inklusive|inbegriffen|auf uns|\u00fcbernehmen wir)\b",
    r"\b(?:\u00fcbernehmen|zahlen) (?:wir )?(?:den|die) (?:versand|lieferung)\w*",
)
_DISCOUNT = _any(
    r"\bdiscount\w*", r"\b(?:half|\d+) off\b", r"[%\u066a]\s*off\b", r"\boff (?:the|your)\b",
    r"\bhalf[ -]price\b", r"\bpromo\w*", r"\bpromoc\w*", r"\bcoupons?\b", r"\bvouchers?\b", r"\bcash ?back\b",
    r"\brebates?\b", r"\b(?:special|reduced|better|lower) (?:price|offer|deal)s?\b", r"\bcheaper\b",
    r"\bprice cut\b", r"\bmoney off\b", r"\bmark(?:ed)? ?down\b", r"\bhalf (?:of )?(?:the|its|that) price\b",
    r"\bbuy (?:one|1),? get\b", r"\bbogo\b", r"\b(?:two|three|2|3) for (?:the price of )?(?:one|two|1|2)\b",
    r"\b(?:dos|tres|2|3) por (?:uno|un[ao]|dos|1|2)\b", r"\b3 ?x ?2\b(?! ?(?:c?m|metr|met|ft))",
    r"\bpag[au]\w* (?:\d|un[ao]?|dos|uma?|dois|duas),? (?:[ye] )?l[el]e?v\w+",
    r"\blev[ae]\w* (?:\d|dois|duas|tr[e\u00ea]s),? (?:e )?pag\w+",
    r"\b(?:zwei|drei|2|3) (?:zum preis von|f\u00fcr) (?:eine[mns]?|zwei|1|2)\b",
    r"\b(?:save|ahorr\w+|economi[sz]\w*|poup\w+|spar(?:e|en|st)?) (?:(?:you|te|up|to|hasta|at\u00e9|bis|zu) ){0,2}\d",
    r"\bdescuent\w*", r"\brebaj\w*", r"\bofertas?\b", r"\bcup[o\u00f3]n\w*", r"\bmitad de(?:l)? precio\b",
    r"\b\d ?x ?1\b", r"\bm[a\u00e1]s barat\w*", r"\b(?:precio|pre\u00e7o) especial\b",
    r"\bdescont\w*", r"\bcupo(?:m|ns)\b", r"\bmetade do pre\u00e7o\b", r"\bmais barat\w*", r"\bmais em conta\b",
    r"rabatt\w*", r"\b(?:preis)?nachlass\w*", r"gutschein\w*", r"\bhalbe[nr]? preis\w*",
    r"\bsonder(?:preis|angebot)\w*", r"\breduziert\w*", r"\bg\u00fcnstiger\w*", r"\bbilliger\w*",
)  # fmt: skip
_FREE = _any(
    r"(?<!feel )(?<!-)\bfree\b(?! (?:to|time|moment|minute|day|hour))(?!-)", r"\bat no (?:extra )?(?:cost|charge)\b",
    r"\bfree of charge\b", r"\bon the house\b", r"\bcomplimentary\b", r"\bfor nothing\b",
    r"\bgratis\b", r"\bgratuit\w*", r"\bsin (?:ning\u00fan )?(?:costo|coste|cargo)\b",
    r"\b(?:llevas?|damos|incluimos|va|viene) (?:\w+ ){0,3}de regalo\b",
    r"\b(?:te|se|le|les|os) (?:l[oa]s? )?regal\w+", r"\bgift (?:from|on) us\b", r"\b(?:is|are|it's|that's) on us\b",
    r"\bun regalo (?:de nuestra parte|nuestro|para (?:ti|vos|usted))\b", r"\bganh\w+ (?:um|uma|de) presente\b",
    r"\bschenken? (?:wir )?(?:dir|ihnen|euch)\b", r"\bgeschenk von uns\b",
    r"\bgr[a\u00e1]tis\b", r"\bde gra\u00e7a\b", r"\bsem (?:custo|cobran\u00e7a)\b",
    r"\bbrindes?\b", r"\bkostenlos\w*", r"\bkostenfrei\w*", r"\bumsonst\b", r"\bgeschenkt\b",
)  # fmt: skip
_WORDED = (
    (OfferKind.FREE_DELIVERY, _FREE_DELIVERY),
    (OfferKind.DISCOUNT, _DISCOUNT),
    (OfferKind.FREE, _FREE),
)

_SENTENCE_END = re.compile(r"[.!?;:](?=\s|$)|\n")
_BUT = re.compile(r"\b(?:but|however|pero|sino|mas|por\u00e9m|aber|sondern)\b")
_NO_DENIAL = _any(
    r"\bno (?:problem|worries)\b", r"\bnot a problem\b", r"\bdo(?:n't| not) worry\b", r"\bno te preocupes\b",
    r"\bno se preocupe\b", r"\b(?:no hay|sin) problemas?\b", r"\b(?:sem|n\u00e3o tem) problemas?\b",
    r"\bn\u00e3o se preocupe\b", r"\bkein problem\b", r"\bkeine sorge\b",
)  # fmt: skip
_DENIAL = _any(
    r"\b(?:no|not|never|cannot|without|avoid|nothing|none|neither|nor|refuse)\b", r"n't\b",
    r"\b(?:nunca|jam[a\u00e1]s|sin|ni|tampoco|ning[u\u00fa]n\w*|nada|evit\w+)\b",
    r"\b(?:n[a\u00e3]o|jamais|sem|nem|nenhum\w*)\b",
    r"\b(?:nicht|kein\w*|nie|niemals|ohne|weder|vermeid\w+)\b",
    r"\b(?:pas|sans|aucun\w*|non|senza|nessun\w*|niet|geen|zonder)\b",
)  # fmt: skip


def stated(texts: Iterable[str]) -> str:
    """The part of what the shop said that promises something: sentences that deny or forbid are left out.

    "Do not offer discounts. Mention free shipping." states free shipping and nothing of discounts.
    """
    kept: list[str] = []
    for text in texts:
        for sentence in _SENTENCE_END.split(_plain(text)):
            kept.extend(part for part in _BUT.split(sentence) if not _DENIAL.search(_NO_DENIAL.sub(" ", part)))
    return "\n".join(part.strip() for part in kept if part.strip())


def offers_in(text: str) -> dict[Offer, str]:
    """What a text offers, each with the words that do."""
    rest = _plain(text)
    found: dict[Offer, str] = {}
    for kind, pattern in _WORDED:
        for match in pattern.finditer(rest):
            found.setdefault(Offer(kind), match[0])
        if kind is OfferKind.FREE_DELIVERY:
            rest = pattern.sub(" ", rest)
    for match in _PERCENT.finditer(rest):
        found.setdefault(Offer(OfferKind.PERCENT, _figure(match["value"])), match[0])
    for figure, words in _amounts(rest, _AMOUNTS):
        found.setdefault(Offer(OfferKind.AMOUNT, figure), words)
    return found


def offers_stated(wishes: str | None, lines: Iterable[str]) -> frozenset[Offer]:
    """What a text may offer because the shop did.

    Args:
        wishes: the marketer's instructions; a percentage in them is a discount.
        lines: what the shop's own people and assistant wrote; a figure in them is a price.
    """
    told = stated([wishes]) if wishes else ""
    said = list(lines)
    found = {*offers_in(told), *offers_in(stated(said))}
    if any(offer.kind is OfferKind.PERCENT for offer in offers_in(told)):
        found.add(Offer(OfferKind.DISCOUNT))
    # A price that was named has been named, whatever else its sentence denies ("it is not 60, it is 49.90").
    for text in (told, *(_plain(line) for line in said)):
        found |= {Offer(OfferKind.AMOUNT, figure) for figure, _ in _amounts(text, (*_AMOUNTS, *_BARE_AMOUNTS))}
    return frozenset(found)


def offers_beyond(text: str, allowed: Container[Offer]) -> list[str]:
    """What a text offers that nobody allowed it to, as a sentence each."""
    return [
        f"the shop has not offered this: {words}" for offer, words in offers_in(text).items() if offer not in allowed
    ]


def figure_of(value: Decimal) -> str:
    """A figure as `Offer.value` has it: without zeros that say nothing."""
    return f"{value.normalize():f}"


def _amounts(text: str, patterns: Iterable[re.Pattern[str]]) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        for match in pattern.finditer(text):
            yield _figure(match["value"]), match[0]


def _figure(text: str) -> str:
    """A number as it is compared: `49,90`, `49.9` and `49.90` are one, and so are `1.299` and `1,299.00`."""
    digits = text.strip(".,'\u2019 ")
    if not digits or not digits[0].isdigit():
        return digits
    head, mark, tail = digits, "", ""
    if cents := re.fullmatch(r"(.*)[.,](\d{1,2})", digits):
        head, mark, tail = cents[1], ".", cents[2]
    whole = re.sub(r"\D", "", head)
    return figure_of(Decimal(f"{whole or 0}{mark}{tail}"))


def _plain(text: str) -> str:
    # NFKC turns full-width digits and signs into plain ones; marks without width would split a word unseen.
    composed = unicodedata.normalize("NFKC", text).replace("\u2019", "'").casefold()
    seen = "".join(c for c in composed if unicodedata.category(c) != "Cf")
    return re.sub(r"[^\S\n]+", " ", seen)
