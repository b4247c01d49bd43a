"""What the meter answers, typed; and its status and error bits in words.

Names and meanings: LEM operation manual DCBM 400/600, interface version 1 (2 differs in paths).
Bits are taken by name where the meter names them: places of some error bits are not documented.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from meters.errors import MeterDataError
from meters.model import Quantity, Sample
from meters.numbers import measured

_KILO: Final = 3
_SPKI_P256: Final = "3059301306072A8648CE3D020106082A8648CE3D03010703420004"
_POINT_DIGITS: Final = 128
_V2_PARTS: Final = 4

READY: Final = 17
"""``transactionStatus`` of a transaction that nothing was wrong with: link and clock good."""

_RUNNING: Final = 4
_UNHEALTHY: Final = {  # bit: complaint when it is set
    2: "fatal error",
    8: "tampering detected",
    32: "over-temperature",
    64: "reversed voltage",
    128: "measuring failed",
}
NO_LINK: Final = "no link to the sensor unit"
_HEALTHY: Final = {1: NO_LINK, 16: "clock not synchronised"}


class Bits(msgspec.Struct, frozen=True):
    """``status.bits`` as far as it decides something."""

    running: bool = msgspec.field(name="transactionIsOnGoing")
    link: bool = msgspec.field(name="suLinkStatusIsOk")
    synchronised: bool = msgspec.field(name="timeSyncStatusIsOk")
    fatal: bool = msgspec.field(name="muFatalErrorOccured")


class StatusWord(msgspec.Struct, frozen=True):
    """``status``."""

    value: int
    bits: Bits


class Errors(msgspec.Struct, frozen=True):
    """``errors``; names to whether they are set."""

    bits: dict[str, bool] = {}


class Version(msgspec.Struct, frozen=True):
    """``version``."""

    application: str = msgspec.field(name="applicationFirmwareVersion")
    sensor: str = msgspec.field(name="sensorFirmwareVersion", default="")


class Status(msgspec.Struct, frozen=True):
    """``GET /v1/status``."""

    status: StatusWord
    version: Version
    serial_number: str = msgspec.field(name="meterId")
    errors: Errors = Errors()
    key_point: str = msgspec.field(name="publicKey", default="")
    key_spki: str = msgspec.field(name="publicKeyOcmf", default="")

    @property
    def running(self) -> bool:
        """Whether a transaction runs."""
        return self.status.bits.running

    @property
    def speaks_v2(self) -> bool:
        """Whether paths of the second version are there: four numbers, the second above 1."""
        parts = self.version.application.split(".")
        if len(parts) != _V2_PARTS or not parts[1].isdecimal():
            return False
        return parts[1].lstrip("0") not in {"", "1"}  # as text: thousands of digits are no int

    @property
    def public_key(self) -> str:
        """The SubjectPublicKeyInfo of the records, upper-case hex; empty if the meter has none.

        Raises:
            MeterDataError: what it shows is no key.
        """
        shown = self.key_spki.strip().upper()
        if not shown and self.key_point:
            shown = _SPKI_P256 + self.key_point.strip().upper()
        if shown and not (
            shown.startswith(_SPKI_P256) and len(shown) == len(_SPKI_P256) + _POINT_DIGITS
        ):
            raise MeterDataError(f"public key {shown[:40]!r}, expected one on secp256r1")
        return shown

    def complaints(self) -> tuple[str, ...]:
        """Everything that is not as it should be, in words; a clock not set before a start too."""
        errors = tuple(f"error {name}" for name, is_set in self.errors.bits.items() if is_set)
        return complaints(self.status.value) + errors

    def obstacles(self) -> tuple[str, ...]:
        """What keeps a transaction from beginning, the clock apart."""
        bits = self.status.bits
        errors = tuple(f"error {name}" for name, is_set in self.errors.bits.items() if is_set)
        link = () if bits.link else (NO_LINK,)
        return link + ((_UNHEALTHY[2],) if bits.fatal else ()) + errors


class Live(msgspec.Struct, frozen=True):
    """``GET /livemeasure``: V, A, kW, kWh, degrees Celsius."""

    voltage: Decimal
    current: Decimal
    power: Decimal
    energy_import: Decimal = msgspec.field(name="energyImportTotal")
    energy_export: Decimal = msgspec.field(name="energyExportTotal")
    temperature_h: Decimal | None = msgspec.field(name="temperatureH", default=None)
    temperature_l: Decimal | None = msgspec.field(name="temperatureL", default=None)

    def samples(self) -> tuple[Sample, ...]:
        """In SI units; the temperature is that of the hotter sensor."""
        hottest = self.hottest
        return (
            Sample(Quantity.ENERGY_IMPORT, si(self.energy_import, _KILO)),
            Sample(Quantity.ENERGY_EXPORT, si(self.energy_export, _KILO)),
            Sample(Quantity.POWER, si(self.power, _KILO)),
            Sample(Quantity.VOLTAGE, si(self.voltage)),
            Sample(Quantity.CURRENT, si(self.current)),
            *(() if hottest is None else (Sample(Quantity.TEMPERATURE, hottest),)),
        )

    @property
    def hottest(self) -> Decimal | None:
        """The higher of both temperatures; None if there is none."""
        both = (self.temperature_h, self.temperature_l)
        return max((si(one) for one in both if one is not None), default=None)


class Energies(msgspec.Struct, frozen=True):
    """``meterValue.sampleValue``."""

    import_start: Decimal = msgspec.field(name="energyImportTotalStart")
    import_stop: Decimal = msgspec.field(name="energyImportTotalStop")
    export_start: Decimal = msgspec.field(name="energyExportTotalStart")
    export_stop: Decimal = msgspec.field(name="energyExportTotalStop")
    unit: str = msgspec.field(name="energyUnit", default="kWh")


class MeterValue(msgspec.Struct, frozen=True):
    """``meterValue``."""

    started: str = msgspec.field(name="timestampStart")
    status: int = msgspec.field(name="transactionStatus")
    energies: Energies = msgspec.field(name="sampleValue")


class Legal(msgspec.Struct, frozen=True):
    """``GET /legal`` and the answer to a stop; only the id is sure to be there."""

    transaction_id: str = msgspec.field(name="transactionId")
    meter_value: MeterValue | None = msgspec.field(name="meterValue", default=None)

    @property
    def running(self) -> bool | None:
        """Whether it says that its transaction runs; None if it does not say."""
        return None if self.meter_value is None else bool(self.meter_value.status & _RUNNING)

    def begin_samples(self) -> tuple[Sample, ...]:
        """The registers at the begin, as far as they are told."""
        if self.meter_value is None:
            return ()
        energies = self.meter_value.energies
        return (
            Sample(Quantity.ENERGY_IMPORT, energy(energies.import_start, energies.unit)),
            Sample(Quantity.ENERGY_EXPORT, energy(energies.export_start, energies.unit)),
        )

    def begun_at(self) -> datetime | None:
        """When it began; None if not told, or told without offset."""
        if self.meter_value is None:
            return None
        try:
            at = datetime.fromisoformat(self.meter_value.started)
        except ValueError:
            return None
        return at if at.tzinfo is not None else None


class Started(msgspec.Struct, frozen=True):
    """The answer to a start."""

    running: bool
    transaction_id: str = msgspec.field(name="transactionId", default="")


class SetAnswer(msgspec.Struct, frozen=True):
    """The answer to a write of settings; ``result`` 1 is taken, 0 refused."""

    result: int


class SettingsRead(msgspec.Struct, frozen=True):
    """``GET /v1/settings``; None where the meter does not tell."""

    identification: dict[str, Any] = msgspec.field(name="ocmfId", default={})
    ntp: dict[str, Any] = {}
    time: dict[str, Any] = {}


def complaints(status: int) -> tuple[str, ...]:
    """What a status byte, or a ``transactionStatus``, complains about."""
    found = [word for bit, word in _HEALTHY.items() if not status & bit]
    return (*found, *(word for bit, word in _UNHEALTHY.items() if status & bit))


def energy(value: Decimal, unit: str) -> Decimal:
    """Wh of a register.

    Raises:
        MeterDataError: the unit is none of energy.
    """
    if unit not in {"kWh", "Wh"}:
        raise MeterDataError(f"energy in {unit!r}, expected kWh")
    return si(value, _KILO if unit == "kWh" else 0)


def si(value: Decimal, shift: int = 0) -> Decimal:
    """``value`` times ten to the ``shift``, exact, without exponent in its text.

    Raises:
        MeterDataError: no number that a meter can mean.
    """
    if abs(measured(value)) > _MOST:
        raise MeterDataError(f"measured value {value!s:.30}")
    return Decimal(format(value.scaleb(shift), "f"))


_MOST: Final = Decimal(10) ** 12
