"""A vehicle that talks, while the CSMS has no words for what it says."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from decimal import Decimal

from case_rig import Case

from chargepoint.core.vehicle import EnergyTransfer, Needs, NeedsAnswer


async def test_it_gets_at_once_what_the_profiles_allow(
    open_case: Callable[..., AbstractAsyncContextManager[Case]],
) -> None:
    async with open_case() as run:
        await run.charge()
        run.take()
        needs = run.station.vehicles.needs(1, Needs(EnergyTransfer.AC_THREE), duration=60)
        waiting = asyncio.create_task(needs)
        await run.settle()

        assert waiting.result().answer is NeedsAnswer.REJECTED
        assert waiting.result().expected.periods == ((0, Decimal(32)),)
        assert run.take() == []
