import pytest

from policies.stop_words import STOP_WORDS, is_stop, is_usable


@pytest.mark.parametrize(
    "text",
    ["stop", "STOP", "Stop.", "¡Baja!", "  sair ", "cancelar inscricao", "\uff33\uff34\uff2f\uff30", "stop\u200b"],
)
def test_a_stop_word_alone_is_one(text: str) -> None:
    """Case, accents, punctuation, width and invisible marks make no difference."""
    assert is_stop(text)


@pytest.mark.parametrize(
    "text", [None, "", "!!!", "don't stop", "stop by tomorrow?", "bajar", "can I cancel my order?", "stop " * 100]
)
def test_a_stop_word_in_a_sentence_is_none(text: str | None) -> None:
    """Only a message that is nothing else counts."""
    assert not is_stop(text)


def test_the_table_is_plain() -> None:
    """Every word of the table is found by its own plain form."""
    assert all(is_stop(word) for word in STOP_WORDS)


def test_a_word_that_no_message_could_be_is_of_no_use() -> None:
    """Signs alone and whole letters are refused before anybody relies on them."""
    assert is_usable("Odhlásit!")
    assert not any(is_usable(word) for word in ("", "!?", "\u200b", "x" * 201))


def test_a_store_may_add_words_of_its_own() -> None:
    """A word that the table does not know counts where the store says so, in any writing, and nowhere else."""
    assert is_stop("ABMELDEN!", ("abmelden", "\u00a1ya basta!"))
    assert is_stop("ya basta", ("abmelden", "\u00a1ya basta!"))
    assert not is_stop("abmelden")
    assert not is_stop("...", ("!",))
