"""Tests of models.journey_file on what is no journey file at all: bytes, damage and noise."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.journey_file import JourneyFileError, read_journey_bytes
from tests.models.journey_files import AI, EXAMPLES, HEAD

_SCRAPS = st.lists(
    st.sampled_from(
        [*HEAD.splitlines(keepends=True), *AI.splitlines(keepends=True), "coupon: {code: A}\n",
         "{", "}", "[", "- ", ": ",
         "&a ", "*a ", "!!int ", "? ", "|\n", "'", '"', "\t", "\n", "---\n", "...\n", "%YAML 1.1\n", "<<: ", "\\ud83d",
         "1e9",
         "{ai.text}", "{coupon.code}", "#", "  ", "@", "`", ">", "null", "~", "\r", "\x85", "\u2028", "%TAG ! x\n"]
    ),
    max_size=14,
).map("".join)  # fmt: skip


@st.composite
def _damaged_examples(draw: st.DrawFn) -> str:
    """An example with a few pieces cut out, doubled or put in, which gets past the parser more often than noise."""
    text = draw(st.sampled_from([path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.yaml"))]))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        text = text[:start] + draw(st.one_of(_SCRAPS, st.just(text[start:end] * 2), st.just(""))) + text[end:]
    return text


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=200),
        _SCRAPS.map(str.encode),
        st.text(max_size=80).map(lambda text: text.encode()),
        _damaged_examples().map(str.encode),
    )
)
@example(b"\xff\xfe")
@example(b"%YAML 9.9\n---\na: b")
@example(b"audience: {last_order_total: {min: 0e999999999}}")
@example(b"audience: {last_order_total: {min: 1e-999999999}}")
@example(b"a: !<tag> {}")
@example(b"kind: follow_up\nrepeat: [a]\nmessage: {fallback: []}")
@example(b"kind: abandoned_cart\ncart: 1h\nstages: {after: {}}")
def test_any_bytes_are_a_journey_or_a_journey_file_error(data: bytes) -> None:
    """Nothing else ever comes out, and every problem has a place inside or just behind the file."""
    try:
        read_journey_bytes(data)
    except JourneyFileError as error:
        found = error.problems
    else:
        return
    assert found
    assert found == sorted(found)
    for problem in found:
        assert min(problem.line, problem.column) >= 1
        assert problem.text
