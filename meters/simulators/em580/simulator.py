"""The EM580 in the catalogue of simulators: what can be said of one on the command line."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from meters.simulators.em580.device import Em580, utc_now
from meters.simulators.em580.settings import (
    MOST_RECORD_BYTES,
    Behaviour,
    Em580Settings,
    KeyCurve,
)

DRIVER: Final = "carlo_gavazzi_em580"
TRANSPORT: Final = "modbus"
TITLE: Final = "Carlo Gavazzi EM580: AC meter, Modbus RTU, signed transactions"
QUICK: Final[Mapping[str, Any]] = {"boot_delay_s": 0.0, "signing_delay_s": 0.02}
QUICK_DRIVER: Final[Mapping[str, Any]] = {
    "communication_retry_count": 2,
    "communication_retry_delay_ms": 10,
    "communication_error_pause_delay_s": 1,
    "initial_connection_retry_delay_ms": 100,
    "ready_timeout_s": 1,
}
_CLOCK_REFUSAL_S: Final = 2.0


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One simulated EM580, or a meter of the EM300 series."""

    serial_number: Annotated[str, Meta(description="At most 13 characters.")] = "KZ1660104001D"
    curve: Annotated[KeyCurve, Meta(description="Of the key.")] = KeyCurve.P384
    key_seed: Annotated[str | None, Meta(description="The same seed gives the same key.")] = None
    begin_energy_wh: Annotated[int, Meta(ge=0, description="Wh of a new meter.")] = 0
    identification_code: Annotated[
        int, Meta(ge=0, le=65_535, description="340 is an EM340, which only measures.")
    ] = 1880
    record_size: Annotated[
        Annotated[int, Meta(ge=1, le=MOST_RECORD_BYTES)] | None,
        Meta(description="Fill records up to so many bytes."),
    ] = None
    signing_delay_s: Annotated[float, Meta(ge=0, description="Seconds.")] = 0.3
    boot_delay_s: Annotated[float, Meta(ge=0, description="Seconds of silence.")] = 6.0
    time_lapse: Annotated[Decimal, Meta(description="Energy grows so much faster.")] = Decimal(1)
    resume: Annotated[bool, Meta(description="After a power cut a transaction goes on.")] = False
    state_file: Path | None = None


def create(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    monotonic: Callable[[], float] = time.monotonic,
) -> Em580:
    """The meter, switched on.

    Raises:
        ValueError: a setting that the meter cannot have, or a state file of something else.
        OSError: the state file cannot be used.
    """
    plain = Em580Settings(
        serial_number=settings.serial_number,
        curve=settings.curve,
        key_seed=settings.key_seed,
        begin_energy_wh=settings.begin_energy_wh,
        identification_code=settings.identification_code,
        record_size=settings.record_size,
        signing_delay=timedelta(seconds=settings.signing_delay_s),
        boot_silence=timedelta(seconds=settings.boot_delay_s),
        clock_refusal=timedelta(seconds=min(settings.boot_delay_s, _CLOCK_REFUSAL_S)),
        time_lapse=settings.time_lapse,
        state_file=settings.state_file,
    )
    if settings.resume:
        plain = replace(plain, behaviour=Behaviour(resumes=True))
    return Em580(plain, clock=clock, monotonic=monotonic)
