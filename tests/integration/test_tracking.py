"""A daily review whose worker dies half-way, on a real Temporal server and with real processes."""

from pathlib import Path

from models.enums import CreditKind, CreditState
from models.tables import AnalysisCall, CreditEntry, Enrollment, Store
from sandbox.llm.faults import Hang
from storage.credits import open_ledger, set_prices
from storage.secrets import new_key
from tests.integration.conftest import OpenStack
from tests.integration.programs import environment, kill, running
from tests.integration.test_workers import _give_up_on_the_dead_worker
from tests.tracked import begin_run, outcomes, tracking, wants
from worker import Fleet

_STARTS_WITHIN_S = 60.0


async def test_a_run_killed_half_way_goes_on_without_paying_twice(open_stack: OpenStack, tmp_path: Path) -> None:
    """Two are answered, two are with the model at the kill: those are asked again under their old charge."""
    key = new_key()
    async with open_stack(key=key, fleet=False) as stack:
        for thing in ("scarf", "cap", "mug", "mug"):
            await wants(stack, f"I want to buy the red {thing}, how can I pay?")
        async with stack.database.write() as session:
            await open_ledger(session, stack.store.id, 100, now=await stack.now())
            await set_prices(session, stack.store.id, message=0, generation=None, now=await stack.now())
        stack.llm.faults.add(Hang(60.0), times=2, containing="red mug")
        handle = await begin_run(stack, tracking(wait_days=1))

        async def half_way() -> bool:
            if len(await stack.rows(Enrollment)) < 2 or stack.llm.requests < 4:
                return False
            now = (await handle.describe()).raw_description
            # A task that dies with its worker is given out again only after ten seconds.
            return len(now.pending_activities) == 2 and not now.HasField("pending_workflow_task")

        async with running("worker.py", env=environment(stack, key), log=tmp_path / "worker.log") as process:
            await stack.until(half_way, within=_STARTS_WITHIN_S)
            await kill(process)
        lines = [one.state for one in await stack.rows(CreditEntry, kind=CreditKind.ANALYSIS)]
        assert sorted(lines) == [CreditState.RESERVED] * 2 + [CreditState.SETTLED] * 2
        await _give_up_on_the_dead_worker(stack, handle.id)
        async with Fleet(stack.client, stack.services, limit_rates=False):
            assert (await handle.result()).enrolled == 4
        assert set((await outcomes(stack)).values()) == {"enrolled"}
        assert stack.llm.requests == 6
        assert len(await stack.rows(AnalysisCall)) == 4
        assert len(await stack.rows(Enrollment)) == 4
        lines = [one.state for one in await stack.rows(CreditEntry, kind=CreditKind.ANALYSIS)]
        assert lines == [CreditState.SETTLED] * 4
        (store,) = await stack.rows(Store)
        assert store.credits == 96
        stack.started += [one.id for one in await stack.rows(Enrollment)]
