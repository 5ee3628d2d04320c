"""A bounded run of chaos, and the parts that its verdict rests on."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.enums import EnrollmentState, EventKind, ExitReason, HoldReason
from models.tables import CustomerEvent, Enrollment
from tests.chaos.audit import late_claims
from tests.chaos.plan import KILLS, Options, Plan
from tests.chaos.verdict import explained
from tests.integration.programs import ROOT
from tests.processes import plain_environment

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SEED = 4
OPTIONS = Options(journeys=300, seed=SEED, database="sqlite")


@pytest.mark.timeout(300)
async def test_every_promise_holds_under_faults() -> None:
    """Workers, gateway and Temporal are killed, the network and the database break: all books agree afterwards."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos", "--journeys", "40", "--delays", "0m,1m", "--workers", "2"),
        *("--kills", "4", "--hurry", "--minute", "15", "--seed", str(SEED)),
        cwd=ROOT,
        env=plain_environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode == 0, told.decode()
    assert "every promise held" in told.decode()


def test_a_seed_says_all_that_is_injected() -> None:
    """Two runs of a seed do the same to the same messages, and another seed does something else."""

    def all_of(plan: Plan) -> list[object]:
        attempts = [f"enr-{number}:1:1:1" for number in range(500)]
        fates: list[object] = [(plan.wire(one), plan.sandbox(one), plan.deed(one)) for one in attempts]
        return [*fates, *(plan.kill_at(place) for place in range(1000))]

    assert all_of(Plan(OPTIONS)) == all_of(Plan(OPTIONS))
    assert all_of(Plan(OPTIONS)) != all_of(Plan(Options(journeys=300, seed=SEED + 1, database="sqlite")))


def test_every_run_of_300_kills_thirty_workers_on_the_way() -> None:
    """The kills are places among the requests, so that none depends on chance."""
    plan = Plan(OPTIONS)
    killed = [plan.kill_at(place) for place in range(OPTIONS.journeys * OPTIONS.stages)]
    assert sum(one in KILLS for one in killed) == OPTIONS.kills == 30


def _enrollment(**values: Any) -> Enrollment:
    row: dict[str, Any] = {"id": "enr-1", "customer_id": 7, "after_event_id": 3}
    return Enrollment(**(row | values))


def _event(number: int, enrollment: str | None = None) -> CustomerEvent:
    row: dict[str, Any] = {"id": number, "customer_id": 7, "kind": EventKind.STOP, "enrollment_id": enrollment}
    return CustomerEvent(**row, exit_reason=ExitReason.UNDELIVERABLE)


@pytest.mark.parametrize(
    ("commits", "late"),
    [
        ([("claim", "enr-1:1:1:1"), ("exit", "4")], []),
        ([("exit", "4"), ("claim", "enr-1:1:1:1")], ["enr-1:1:1:1"]),
        ([("exit", "5"), ("claim", "enr-1:1:1:1")], []),  # of another enrollment
        ([("exit", "2"), ("claim", "enr-1:1:1:1")], []),  # from before it was selected
    ],
)
def test_a_claim_behind_an_exit_event_is_seen(commits: list[tuple[str, str]], late: list[str]) -> None:
    """What counts is the order of commits, and whether the event ends this enrollment."""
    events = {"2": _event(2), "4": _event(4), "5": _event(5, "enr-2")}
    assert late_claims(commits, events, {"enr-1": _enrollment()}) == late


@pytest.mark.parametrize(
    ("values", "is_explained"),
    [
        ({"state": EnrollmentState.CLOSED, "exit_reason": ExitReason.COMPLETED}, True),
        ({"state": EnrollmentState.WATCHING, "due_at": NOW + timedelta(days=5)}, True),
        ({"state": EnrollmentState.WATCHING, "due_at": NOW - timedelta(days=1)}, False),
        ({"state": EnrollmentState.WAITING, "due_at": NOW - timedelta(minutes=1)}, False),
        ({"state": EnrollmentState.WAITING, "due_at": NOW + timedelta(minutes=1)}, False),
        (
            {
                "state": EnrollmentState.HOLDING,
                "due_at": NOW + timedelta(days=1),
                "hold_reason": HoldReason.META_RETRY_LATER,
            },
            True,
        ),
        ({"state": EnrollmentState.HOLDING, "hold_reason": HoldReason.SEND_UNKNOWN}, False),
    ],
)
def test_only_an_end_or_a_moment_to_come_explains_an_enrollment(
    values: dict[str, Any],
    is_explained: bool,  # noqa: FBT001 - a case of the table
) -> None:
    """Whoever waits for nothing, or for what is past, is stuck."""
    assert (explained(_enrollment(**values), NOW) is not None) is is_explained
