"""What of a chat tool's own JSON a message may use and a model is shown."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policies.deal_context import bounded, context_values

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=700),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=20,
)
contexts = st.dictionaries(st.text(max_size=10), json_values, max_size=8)


def test_nested_keys_are_joined_by_dots() -> None:
    """Texts and numbers as they are, yes and no for truth, nothing for what is empty or a list."""
    context = {"product": "scarf", "deal": {"amount": 49.9, "won": False, "tags": ["x"]}, "note": None}
    assert context_values(context) == {
        "context.product": "scarf", "context.deal.amount": "49.9", "context.deal.won": "no",
    }  # fmt: skip


def test_a_context_too_large_to_show_loses_what_does_not_fit() -> None:
    """Long texts and lists are cut, and a key that has no room is left out, but not those after it."""
    shown = bounded({"a": "x" * 2000, "b": list(range(90)), "c": {str(i): "y" * 400 for i in range(9)}, "d": 1}, 1500)
    assert set(shown) == {"a", "b", "d"}
    assert len(shown["a"]) == 501
    assert len(shown["b"]) == 20


@given(contexts)
def test_whatever_the_context_its_values_are_texts_and_it_stays_bounded(context: dict[str, Any]) -> None:
    """Any JSON object, however deep."""
    assert all(
        isinstance(value, str) and path.startswith("context.") for path, value in context_values(context).items()
    )
    shown = bounded(context, 300)
    assert len(json.dumps(shown, ensure_ascii=False)) <= 300
    assert set(shown) <= set(context)


def test_a_context_of_endless_depth_ends() -> None:
    """Nobody nests a deal that deep; what does is cut off."""
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"k": deep, "v": 1}
    assert context_values(deep)["context.v"] == "1"
    assert len(json.dumps(bounded(deep, 4000))) < 200
