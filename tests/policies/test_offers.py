"""What counts as an offer, in which words, and when the shop has made it itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.offers import Offer, OfferKind, offers_in, offers_stated, stated

DISCOUNT, FREE, DELIVERY = Offer(OfferKind.DISCOUNT), Offer(OfferKind.FREE), Offer(OfferKind.FREE_DELIVERY)


def percent(value: str) -> Offer:
    """A percentage."""
    return Offer(OfferKind.PERCENT, value)


def amount(value: str) -> Offer:
    """A price."""
    return Offer(OfferKind.AMOUNT, value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You get 90% off today", {percent("90"), DISCOUNT}),
        ("Te damos un 90 % de descuento", {percent("90"), DISCOUNT}),
        ("90 por ciento menos", {percent("90")}),
        ("Temos 90% de desconto", {percent("90"), DISCOUNT}),
        ("90 Prozent Rabatt für dich", {percent("90"), DISCOUNT}),
        ("\uff19\uff10\uff05 for you", {percent("90")}),
        ("9\u200b0% for you", {percent("90")}),
        ("ninety percent less", {percent("ninety")}),
        ("It is yours for half price", {DISCOUNT}),
        ("Te lo dejamos a mitad de precio", {DISCOUNT}),
        ("Zum halben Preis", {DISCOUNT}),
        ("2x1 esta semana", {DISCOUNT}),
        ("It is yours for $1", {amount("1")}),
        ("Te sale en 1 euro", {amount("1")}),
        ("Fica por R$ 5,00", {amount("5")}),
        ("Für nur 5 €", {amount("5")}),
        ("El precio es 12", {amount("12")}),
        ("with free shipping", {DELIVERY}),
        ("con envío gratis", {DELIVERY}),
        ("com frete grátis", {DELIVERY}),
        ("mit kostenlosem Versand", {DELIVERY}),
        ("envío  gratis", {DELIVERY}),
        ("and a free hat", {FREE}),
        ("y te regalamos un gorro", {FREE}),
        ("e um boné de graça", {FREE}),
        ("und eine Mütze umsonst", {FREE}),
        ("The shipping is on us", {DELIVERY}),
        ("We'll cover the shipping", {DELIVERY}),
        ("El envío corre por nuestra cuenta", {DELIVERY}),
        ("O frete fica por nossa conta", {DELIVERY}),
        ("Den Versand übernehmen wir", {DELIVERY}),
        ("Te lo regalamos", {FREE}),
        ("Das schenken wir dir", {FREE}),
        ("The hat is on us", {FREE}),
        ("Buy one, get one!", {DISCOUNT}),
        ("Two for one today", {DISCOUNT}),
        ("Hoy dos por uno", {DISCOUNT}),
        ("Hoy 3x2", {DISCOUNT}),
        ("Leve 2 pague 1", {DISCOUNT}),
        ("Zwei zum Preis von einem", {DISCOUNT}),
        ("You save 20 with it", {DISCOUNT}),
        ("It is yours for half the price", {DISCOUNT}),
        ("It is yours for just 10", {amount("10")}),
        ("Te lo dejo en 10", {amount("10")}),
        ("Faço para você por 10", {amount("10")}),
        ("Für nur 10 gehört er dir", {amount("10")}),
    ],
)
def test_an_offer_is_noticed_in_four_languages(text: str, expected: set[Offer]) -> None:
    """Discounts, prices, free delivery and gifts, also in odd figures."""
    assert set(offers_in(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Feel free to ask us anything",
        "Is it a gift for somebody?",
        "We have three of them in size 42",
        "We open at 10:30 on 5 May",
        "¿Te ayudamos con la talla 38?",
        "Podemos te ajudar com o tamanho 40?",
        "The sugar-free one is back",
        "You can count on us",
        "We can hold it for only 2 days",
        "Lo guardamos por solo 3 semanas",
        "La alfombra de 3x2 m está disponible",
        "We have two for you in blue",
        "¿Es un regalo para tu hermana?",
        "Ist es ein Geschenk für jemanden?",
        "Shall I save it for you?",
    ],
)
def test_ordinary_talk_offers_nothing(text: str) -> None:
    """Sizes, times, amounts of things and kind words are no offers."""
    assert not offers_in(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("49,90 €", "EUR 49.9"),
        ("$1,299.00", "1.299 pesos"),
        ("10 %", "10 por ciento"),
        ("envío gratis", "free delivery"),
    ],
)
def test_one_offer_in_other_words_is_the_same(one: str, other: str) -> None:
    """What the shop says in one way may be said in another."""
    assert set(offers_in(one)) == set(offers_in(other))


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ("Do not offer discounts. Mention free shipping.", {DELIVERY}),
        ("No ofrezcas descuentos. Menciona el envío gratis.", {DELIVERY}),
        ("Não ofereça descontos. Mencione o frete grátis.", {DELIVERY}),
        ("Biete keine Rabatte an. Nenne den kostenlosen Versand.", {DELIVERY}),
        ("No discounts but mention free shipping", {DELIVERY}),
        ("Never promise more than 10%", set()),
        ("Offer them 10%", {percent("10"), DISCOUNT}),
        ("Avoid discounts, gifts and free shipping", set()),
        (None, set()),
    ],
)
def test_what_the_marketer_forbids_is_not_offered(wishes: str | None, expected: set[Offer]) -> None:
    """Naming a thing in order to forbid it allows nothing."""
    assert offers_stated(wishes, ()) == expected


def test_the_shops_own_prices_may_be_said_again() -> None:
    """A figure that our side wrote as a price is one, with or without a currency; times and refusals are not."""
    said = [
        "No problem, it costs 49,90",
        "Son 500",
        "We open at 10:30",
        "We cannot give you 90% off",
        "It's not 60 USD",
    ]
    assert offers_stated(None, said) == {amount("49.9"), amount("500"), amount("60")}


def test_only_what_is_affirmed_is_stated() -> None:
    """A sentence that denies says nothing, and "no problem" denies nothing."""
    assert stated(["No problem, yes! We never do that. Sure."]) == "no problem, yes\nsure"


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    """Whatever a model writes is read without an error, and what a text offers it states unless it denies something."""
    found = offers_in(text)
    assert all(words for words in found.values())
    assert {offer for offer in found if offer.kind is OfferKind.AMOUNT} <= offers_stated(None, [text])
