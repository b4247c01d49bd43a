"""What an installer can say about a meter with a profile, and what becomes of the profile."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from meters.model import Quantity
from meters.profiles import Profile, load
from meters.registers import Register

_ONE: Final = Decimal(1)
_LARGEST_RATIO: Final = 100_000
_OPPOSITE: Final = {
    Quantity.ENERGY_IMPORT: Quantity.ENERGY_EXPORT,
    Quantity.ENERGY_EXPORT: Quantity.ENERGY_IMPORT,
}
_DIRECTED: Final = frozenset(
    {Quantity.POWER, Quantity.REACTIVE_POWER, Quantity.POWER_FACTOR, Quantity.CURRENT}
)
_OF_BOTH: Final = frozenset(
    {Quantity.POWER, Quantity.REACTIVE_POWER, Quantity.APPARENT_POWER, *_OPPOSITE}
)


class Config(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Keys of a meter with ``driver: generic_modbus``.

    profile: the meter's register table: name of one that comes along, or path of a .yaml file.
    powermeter_device_id: Modbus address.
    communication_retry_count: attempts per request, the first included.
    communication_retry_delay_ms: between those attempts.
    communication_error_pause_delay_s: after an outage, how long polls wait for the next try.
    check_identification: false reads a meter that is not the one of the profile, or does not tell.
    current_transformer_ratio: what the meter was not told, e.g. 50 for 250/5 A; only for profiles
        that offer it. Multiplies currents, powers and energies.
    voltage_transformer_ratio: likewise for voltages, powers and energies.
    reversed: true for a meter that is connected the other way round: import becomes export.
    """

    profile: Annotated[Path, Meta(description="name of a profile, or path of a .yaml file")]
    powermeter_device_id: Annotated[int, Meta(ge=1, le=255)] = 1
    communication_retry_count: Annotated[int, Meta(ge=1, le=100)] = 3
    communication_retry_delay_ms: Annotated[int, Meta(ge=10, le=10_000)] = 500
    communication_error_pause_delay_s: Annotated[int, Meta(ge=0, le=600)] = 10
    check_identification: bool = True
    current_transformer_ratio: Decimal = _ONE
    voltage_transformer_ratio: Decimal = _ONE
    reversed: bool = False

    def __post_init__(self) -> None:
        """Read the profile, so that a mistake in it is told before anything runs.

        Raises:
            ProfileError: no such profile, or what is wrong with it.
            ValueError: a transformer ratio that cannot be, or that the profile does not offer.
        """
        profile = load(self.profile)
        for name, ratio in self.ratios.items():
            if not 0 < ratio <= _LARGEST_RATIO:
                raise ValueError(
                    f"{name}_transformer_ratio {ratio}, above 0 and up to {_LARGEST_RATIO} can be"
                )
            if ratio != _ONE and name not in profile.transformers:
                raise ValueError(
                    f"the profile {profile.name} knows no {name}_transformer_ratio other than 1"
                )

    @property
    def ratios(self) -> dict[str, Decimal]:
        """The transformer ratios by what they transform."""
        return {
            "current": self.current_transformer_ratio,
            "voltage": self.voltage_transformer_ratio,
        }

    def adapted(self) -> Profile:
        """The profile as this meter is connected.

        Raises:
            ProfileError: the file was there and is not any more, or was spoiled.
        """
        profile = load(self.profile)
        return replace(profile, registers=tuple(map(self._adapted, profile.registers)))

    def _adapted(self, register: Register) -> Register:
        current, voltage = self.current_transformer_ratio, self.voltage_transformer_ratio
        factor = _ONE
        if register.quantity in _OF_BOTH:
            factor = current * voltage
        elif register.quantity is Quantity.CURRENT:
            factor = current
        elif register.quantity is Quantity.VOLTAGE:
            factor = voltage
        quantity = register.quantity
        if self.reversed:
            quantity = _OPPOSITE.get(quantity, quantity)
            if quantity in _DIRECTED and (quantity is not Quantity.CURRENT or register.signed):
                factor = -factor
        return replace(register, quantity=quantity, scale=register.scale * factor)
