"""Words with which a customer asks to be left alone, in the languages that our journeys speak.

Only a message that is nothing but such a word counts: "stop" inside a sentence is conversation, and ending somebody's
messages because of it would silence people who never asked for that. The table may be extended freely; what is
compared is the word without case, accents and punctuation.
"""

import unicodedata
from functools import lru_cache

_WORDS = {
    "en": (
        "stop", "stop all", "stopall", "unsubscribe", "unsubscribe me", "cancel", "end", "quit", "opt out", "optout",
        "stop messages", "stop promotions", "stop promo", "stop marketing", "remove me", "please stop", "stop please",
    ),
    "es": (
        "parar", "alto", "baja", "dar de baja", "darme de baja", "darse de baja", "dame de baja", "cancelar",
        "cancelar suscripción", "detener", "detener promociones", "no más mensajes", "basta", "salir", "desuscribir",
        "desuscribirme",
    ),
    "pt": (
        "parar", "pare", "sair", "cancelar", "cancelar inscrição", "cancelar assinatura", "descadastrar",
        "descadastre-me", "remover", "parar promoções", "não quero mais", "chega", "desinscrever",
    ),
}  # fmt: skip


def _plain(text: str) -> str:
    """Lower-case letters and digits with single blanks between words, accents taken off."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = (character for character in decomposed if unicodedata.category(character) not in {"Mn", "Cf"})
    return " ".join("".join(character if character.isalnum() else " " for character in bare).split())


STOP_WORDS = frozenset(_plain(word) for words in _WORDS.values() for word in words)
"""Every stop word as it is compared."""

_LONGEST = 200


def is_usable(word: str) -> bool:
    """Whether a store may add it: some message must be able to be this word."""
    return len(word) <= _LONGEST and bool(_plain(word))


def is_stop(text: str | None, own: tuple[str, ...] = ()) -> bool:
    """Whether a message, or what a tapped button sends, is nothing but a stop word.

    Args:
        text: as it came; None (a picture, a voice note) is never one.
        own: words that the store adds, in languages that the table does not know.
    """
    if text is None or len(text) > _LONGEST:
        return False
    plain = _plain(text)
    return plain in STOP_WORDS or (bool(plain) and plain in _plain_words(own))


@lru_cache(maxsize=256)
def _plain_words(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_plain(word) for word in words)
