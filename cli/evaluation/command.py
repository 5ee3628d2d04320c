"""`evaluate FILE`: run labelled conversations through the model and print how well it judged them, and what it cost."""

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from activities.verdicts import LanguageModel
from cli.evaluation.asking import Asked, EvaluationStoppedError, ask_all
from cli.evaluation.document import EvaluateDocument, JudgementView, ModelResult, ScoreView
from cli.evaluation.results import Prices, case_views, model_results
from cli.failures import DONE, USAGE, Failure, provider_line
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.run import Run, execute
from composition import llm_client
from models.labelled_conversations import LabelledConversation, LabelledFileError, read_labelled
from providers.errors import CredentialRefused
from settings import PREFIX

_STAND_IN: Final = "sandbox"
"""The sandbox's model says that it is one at the beginning of its name."""
_NO_QUALITY: Final = (
    "the sandbox's model answered, a stand-in that looks for words: this score says nothing about quality"
)
_MOST_MISSES: Final = 15

_PRICE_HELP: Final = "Per million tokens; without it no cost is shown."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evaluate")(evaluate)


def evaluate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Labelled conversations, one JSON object a line.")],
    *,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first so many of the file.")] = None,
    parallel: Annotated[int, typer.Option("--parallel", min=1, max=200, help="How many to ask about at a time.")] = 4,
    instructions: Annotated[str | None, typer.Option("--instructions", help="As a tracking file's.")] = None,
    input_price: Annotated[str | None, typer.Option("--input-price", metavar="N", help=_PRICE_HELP)] = None,
    output_price: Annotated[str | None, typer.Option("--output-price", metavar="N", help=_PRICE_HELP)] = None,
    cached_price: Annotated[
        str | None,
        typer.Option("--cached-price", metavar="N", help="Of input that was cached; the input's if left out."),
    ] = None,
    currency: Annotated[str, typer.Option("--currency", help="The prices'.")] = "USD",
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Judge labelled conversations with the configured model, and print precision, recall and what it used.

    The whole file is checked before the first conversation is paid for. Nothing is stored and nobody is written to.
    """

    async def work(run: Run) -> int:
        prices = _prices(input_price, output_price, cached_price, currency)
        conversations = _read(file)[:limit]
        return await _evaluate(run, file, conversations, parallel, instructions, prices)

    return execute(work, as_json=as_json, store=store, debug=debug)


async def _evaluate(
    run: Run,
    file: Path,
    conversations: Sequence[LabelledConversation],
    parallel: int,
    instructions: str | None,
    prices: Prices | None,
) -> int:
    async with _model(run, parallel) as llm:
        with _progress(run) as progress:
            task = progress.add_task("judging", total=len(conversations))
            try:
                asked = await ask_all(
                    llm,
                    conversations,
                    parallel=parallel,
                    instructions=instructions,
                    tell=lambda: progress.advance(task),
                )
            except EvaluationStoppedError as stopped:
                raise Failure(_why(stopped), _paid(stopped.asked)) from None
    results = model_results(asked, prices)
    document = EvaluateDocument(
        file=file.name,
        conversations=len(asked),
        stand_in=any(one.model.startswith(_STAND_IN) for one in results),
        results=results,
        cases=case_views(asked),
    )
    run.output.document(document)
    _show(run, document)
    return DONE


def _read(file: Path) -> tuple[LabelledConversation, ...]:
    try:
        return read_labelled(file)
    except LabelledFileError as error:
        raise Failure(*str(error).splitlines()) from None


@contextlib.asynccontextmanager
async def _model(run: Run, parallel: int) -> AsyncIterator[LanguageModel]:
    """The configured model, or the sandbox's where none is."""
    import httpx2  # noqa: PLC0415 - bad files and options are told before it is loaded

    limits = httpx2.Limits(max_connections=parallel)
    async with httpx2.AsyncClient(limits=limits) as http:
        llm = llm_client(run.settings, http)
        if llm is not None:
            yield llm
            return
    try:
        from cli.evaluation.stand_in import stand_in  # noqa: PLC0415 - a production image has no sandbox
    except ModuleNotFoundError:
        raise Failure(f"no model is configured: set {PREFIX}LLM_API_KEY and {PREFIX}LLM_MODEL") from None
    async with stand_in() as llm:
        yield llm


def _prices(paid_in: str | None, paid_out: str | None, cached: str | None, currency: str) -> Prices | None:
    if paid_in is None and paid_out is None and cached is None:
        return None
    if paid_in is None or paid_out is None:
        raise Failure("a cost needs both --input-price and --output-price", code=USAGE)
    of_input = _price("--input-price", paid_in)
    return Prices(
        input=of_input,
        output=_price("--output-price", paid_out),
        cached_input=_price("--cached-price", cached) if cached is not None else of_input,
        currency=currency,
    )


def _price(option: str, text: str) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite() or price < 0:
        raise Failure(f"{option}: {json.dumps(text)} is no price; write such as 0.25", code=USAGE)
    return price


def _why(stopped: EvaluationStoppedError) -> str:
    if isinstance(stopped.cause, CredentialRefused):
        return f"the language model refuses the key ({stopped.cause.detail}); set {PREFIX}LLM_API_KEY"
    return provider_line(stopped.cause)


def _paid(asked: Sequence[Asked]) -> str:
    calls = sum(one.calls for one in asked)
    done = sum(one.reached is not None for one in asked)
    return f"stopped after {done} of {len(asked)} conversations and {calls} answers, which are paid for"


def _progress(run: Run) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=run.output.notes,
        disable=not run.output.notes.is_terminal,
        transient=True,
    )


def _show(run: Run, document: EvaluateDocument) -> None:
    for result in document.results:
        _show_result(run, result)
    misses = [
        [one.id, *_words(one.expected), *(_words(one.got) if one.got is not None else ("-", "-", one.why or "-"))]
        for one in document.cases
        if one.got != one.expected
    ]
    if misses:
        run.output.table(
            ["conversation", "intent", "sale", "stop", "model: intent", "sale", "stop"],
            misses[:_MOST_MISSES],
            title="Judged otherwise",
        )
    if len(misses) > _MOST_MISSES:
        run.output.line(f"and {len(misses) - _MOST_MISSES} more; --json has all")
    if document.stand_in:
        run.output.note(_NO_QUALITY)


def _show_result(run: Run, result: ModelResult) -> None:
    unusable = sum(result.unusable.values())
    run.output.line(
        f"{result.model or 'no model'}, prompt version {result.prompt_version}: {result.conversations} conversations, "
        f"{result.calls} answers, {unusable} without a verdict",
        style="bold",
    )
    rows = [
        *([f"followed up at sensitivity {name}", *_cells(one)] for name, one in result.followed_up.items()),
        *([f"intent is {name.value}", *_cells(one)] for name, one in result.intent.items()),
        *([f"sale is {name.value}", *_cells(one)] for name, one in result.sale.items()),
        ["asked to stop", *_cells(result.asked_to_stop)],
    ]
    run.output.table(["", "labelled#", "found#", "right#", "precision#", "recall#"], rows)
    run.output.line("followed up = that intent or above, sale open, not asked to stop; the other rows are exact")
    for why, count in result.unusable.items():
        run.output.line(f"without a verdict: {count} x {why}")
    tokens = result.tokens
    used = (
        "the server does not say what it used"
        if tokens.input is None
        else f"{tokens.input} tokens in ({tokens.cached_input} cached), {tokens.output} out"
    )
    cost = f", {result.cost.amount} {result.cost.currency}" if result.cost is not None else ""
    run.output.line(f"{used}{cost}")


def _cells(one: ScoreView) -> list[str]:
    shares = ("-" if share is None else f"{share:.2f}" for share in (one.precision, one.recall))
    return [str(one.expected), str(one.found), str(one.right), *shares]


def _words(one: JudgementView) -> tuple[str, str, str]:
    return one.intent.value, one.sale.value, "yes" if one.asked_to_stop else "no"
