"""A simulated WM3M4C on a line, and the driver that a station would use for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from meter_rig import Rig, now
from meter_rig import rig as meter_rig

from meters.drivers.iskra_wm3m4 import Config, create, signing
from meters.modbus import ModbusBus
from meters.simulators.iskra_wm3m4 import QUICK, QUICK_DRIVER, IskraWm3m4, Settings

UNIT = 33
TEST: dict[str, Any] = {
    **QUICK,
    "key_seed": "driver",
    "begin_energy_wh": 80770,
    "time_lapse": Decimal(3600),
}


def driver(bus: ModbusBus, **config: Any) -> Any:
    return create(Config(**{**QUICK_DRIVER, **config}), bus, now=now)


@asynccontextmanager
async def rig(*, pty: bool = False, **settings: Any) -> AsyncIterator[Rig]:
    device = IskraWm3m4(Settings(**{**TEST, **settings}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signing, "_EFFECT_S", 0.3)
        patch.setattr(signing, "_STALE_S", 0.4)
        patch.setattr(signing, "_OLD_STATUS_S", 0.1)
        patch.setattr(signing, "_POLL_S", 0.02)
        async with meter_rig(device, UNIT, driver, pty=pty) as found:
            yield found
