"""A simulated BSM-WS36A on a line, and the driver that a station would use for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from meter_rig import Rig, now
from meter_rig import rig as meter_rig

from meters.drivers.bauer_bsm import Config, create, signing
from meters.modbus import ModbusBus
from meters.simulators.bauer_bsm import QUICK, QUICK_DRIVER, BauerBsm, Settings

UNIT = 42
START, END = 41286, 41540  # registers that command a snapshot
TEST: dict[str, Any] = {
    **QUICK,
    "key_seed": "driver",
    "begin_energy_wh": 99840,
    "begin_page": 4275,
    "energy_scale": 1,
    "time_lapse": Decimal(36000),
}


def driver(bus: ModbusBus, **config: Any) -> Any:
    return create(Config(**{**QUICK_DRIVER, **config}), bus, now=now)


@asynccontextmanager
async def rig(*, pty: bool = False, **settings: Any) -> AsyncIterator[Rig]:
    device = BauerBsm(Settings(**{**TEST, **settings}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signing, "_DOUBT_S", 0.3)
        patch.setattr(signing, "_POLL_S", 0.02)
        async with meter_rig(device, UNIT, driver, pty=pty) as found:
            yield found
