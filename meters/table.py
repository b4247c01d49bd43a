"""A meter and its reading for people and for programs: a table, and plain values for JSON."""

from typing import Any, Final

from meters.model import MeterInfo, Phase, Quantity, Reading

_PHASES: Final = (None, *Phase)
UNITS: Final = {
    Quantity.ENERGY_IMPORT: "Wh",
    Quantity.ENERGY_EXPORT: "Wh",
    Quantity.POWER: "W",
    Quantity.REACTIVE_POWER: "var",
    Quantity.APPARENT_POWER: "VA",
    Quantity.POWER_FACTOR: "",
    Quantity.VOLTAGE: "V",
    Quantity.CURRENT: "A",
    Quantity.FREQUENCY: "Hz",
    Quantity.TEMPERATURE: "°C",
}


def plain(name: str, info: MeterInfo, reading: Reading) -> dict[str, Any]:
    """Everything that is known, with numbers as texts so that none is rounded."""
    return {
        "meter": name,
        "vendor": info.vendor,
        "model": info.model,
        "serial_number": info.serial_number,
        "firmware": info.firmware,
        "public_key": info.public_key,
        "signing_method": info.signing_method,
        "taken_at": reading.taken_at.isoformat(),
        "samples": [
            {
                "quantity": str(sample.quantity),
                "phase": str(sample.phase) if sample.phase else None,
                "value": format(sample.value, "f"),
                "unit": UNITS[sample.quantity],
            }
            for sample in reading.samples
        ],
    }


def table(info: MeterInfo, reading: Reading) -> str:
    """A line that says who and when, and one for each quantity with its phases side by side."""
    who = [info.vendor, info.model]
    who += [f"serial {info.serial_number}"] if info.serial_number else []
    who += [f"firmware {info.firmware}"] if info.firmware else []
    signs = info.signing_method or "does not sign"
    lines = [f"{' '.join(who)}, {signs}, {reading.taken_at:%Y-%m-%d %H:%M:%S %Z}"]
    for quantity in Quantity:
        samples = [sample for sample in reading.samples if sample.quantity is quantity]
        cells = [
            f"{sample.phase or 'total'} {sample.value:f}"
            for sample in sorted(samples, key=lambda one: _PHASES.index(one.phase))
        ]
        if cells:
            title = f"{quantity.replace('_', ' ')} [{UNITS[quantity] or '1'}]"
            lines.append(f"  {title:<22}" + "".join(f"{cell:<18}" for cell in cells).rstrip())
    return "\n".join(lines)
