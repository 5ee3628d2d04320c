"""Is a text clearly in the wrong language? Small, own, and only sure where it can be.

Function words tell languages apart better than anything else in a short text. Words that two of the three languages
share are left out, so a hit is a vote. A language model that answers a Spanish customer in English is caught; what is
too short or in a language that is not listed passes.
"""

import re
import unicodedata
from types import MappingProxyType

_WORD = re.compile(r"[^\W\d_]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split(" "))


_FUNCTION_WORDS = MappingProxyType(
    {
        "en": _words(
            "the and you your yours we our is are was were have has had with for from this that these those it its of "
            "to in on at by will would can could just been what when where how not but if or any some more about "
            "there here they them then than hi hello thanks thank please back get"
        ),
        "es": _words(
            "el los las una unos unas y con tu tus te usted ustedes pero muy más también hola gracias del al lo le "
            "nos es son fue está estás estamos en por sin hasta desde cuando donde cómo qué ya aquí hoy si nuestro "
            "nuestra nuestros nuestras tienes tenemos ha hemos te quieres puedes hay su sus algo día"
        ),
        "pt": _words(
            "o os um uma uns umas e com você vocês seu sua seus suas mas muito mais também olá oi obrigado obrigada "
            "da das dos ao aos na nas nos em é são foi está estamos por sem até quando onde como já aqui hoje se "
            "nosso nossa nossos nossas tem temos não pra pelo pela isso este esta quer pode há algo dia"
        ),
    }
)

# A vote must be for one language alone.
_VOTES = MappingProxyType(
    {
        language: words - frozenset().union(*(other for name, other in _FUNCTION_WORDS.items() if name != language))
        for language, words in _FUNCTION_WORDS.items()
    }
)

_ENOUGH_VOTES = 3
_CLEAR_LEAD = 2


def clearly_another_language(text: str, language: str) -> str | None:
    """The language that the text is in when that is plainly not the one asked for, else None.

    Args:
        text: what was written.
        language: what was asked for, such as `pt_BR`; the country does not matter.
    """
    asked = language.replace("-", "_").partition("_")[0].lower()
    if asked not in _VOTES:
        return None
    votes = _counted(text)
    leader = max(votes, key=lambda name: votes[name])
    if leader != asked and votes[leader] >= max(_ENOUGH_VOTES, _CLEAR_LEAD * votes[asked] + 1):
        return leader
    return None


def clear_language(text: str) -> str | None:
    """The language that the text is plainly in, of those that are listed; None where it is not plain."""
    votes = _counted(text)
    leader, second = sorted(votes, key=lambda name: votes[name], reverse=True)[:2]
    return leader if votes[leader] >= max(_ENOUGH_VOTES, _CLEAR_LEAD * votes[second] + 1) else None


def _counted(text: str) -> dict[str, int]:
    words = _WORD.findall(unicodedata.normalize("NFC", text).casefold())
    return {name: sum(word in known for word in words) for name, known in _VOTES.items()}
