"""Who the meter is and whether it can sign."""

from dataclasses import dataclass
from typing import Final, Literal

from meters.drivers.carlo_gavazzi_em580 import layout
from meters.drivers.carlo_gavazzi_em580.device import Device
from meters.drivers.carlo_gavazzi_em580.layout import Signature
from meters.errors import MeterDataError
from meters.modbus import ModbusException
from meters.model import MeterInfo, Quantity
from meters.registers import text

VENDOR: Final = "Carlo Gavazzi"


@dataclass(frozen=True, slots=True)
class Identity:
    """What one connection has found. ``signature`` is None for a meter that cannot sign."""

    info: MeterInfo
    em300: bool = False
    signature: Signature | None = None

    def same_meter(self, other: "Identity") -> bool:
        """Whether it is the same piece of hardware."""
        mine, theirs = self.info, other.info
        return (mine.serial_number, mine.public_key) == (theirs.serial_number, theirs.public_key)


async def identify(device: Device, key_format: Literal["binary", "der"]) -> Identity:
    """Ask the meter who it is.

    Only the identification code and the serial number must be there. Whether it signs is told by
    its signature type and key, not by a list of models, so a new model needs no change here.

    Raises:
        MeterUnreachable: no answer.
        MeterDataError: no serial number, a key that is none, or a failure of the meter.
    """
    code = await device.identification()
    if code in layout.EM300_CODES:
        return await _em300(device, code)
    measured = {(row.quantity, row.phase) for row in (*layout.LIVE, *layout.ENERGY)}
    quantities = frozenset(measured | {(Quantity.TEMPERATURE, None)})
    firmware = [await device.optional(address) for address in layout.FIRMWARE]
    model = await device.optional(layout.MODEL, layout.MODEL_WORDS)
    signature, key = await _key(device, key_format)
    info = MeterInfo(
        vendor=VENDOR,
        model=(text(model) if model else "") or "EM580",
        serial_number=await serial_number(device, em300=False),
        # The way the meter writes it into its records: measuring module, communication module.
        firmware="-".join(
            f"{module}_{layout.firmware(words[0])}"
            for module, words in zip("MC", firmware, strict=True)
            if words
        ),
        public_key=key,
        signing_method=signature or "",
        quantities=quantities,
    )
    return Identity(info, signature=signature)


async def serial_number(device: Device, *, em300: bool) -> str:
    """The serial number as it is printed on the meter.

    Raises:
        MeterDataError: the registers hold none.
    """
    words = await device.read(layout.SERIAL, layout.SERIAL_WORDS)
    serial = layout.em300_serial(words) if em300 else text(words)
    if not serial.isprintable() or not serial:
        raise MeterDataError(f"serial number {serial!r}")
    return serial


async def _em300(device: Device, code: int) -> Identity:
    firmware = [await device.optional(address) for address in layout.FIRMWARE]
    version, revision = (words[0] if words else 0 for words in firmware)
    measured = (*layout.LIVE, *layout.ENERGY)
    info = MeterInfo(
        vendor=VENDOR,
        model=f"EM300 series (code {code})",
        serial_number=await serial_number(device, em300=True),
        firmware=layout.em300_firmware(version, revision) if firmware[0] else "",
        quantities=frozenset((row.quantity, row.phase) for row in measured),
    )
    return Identity(info, em300=True)


async def _key(
    device: Device, key_format: Literal["binary", "der"]
) -> tuple[Signature | None, str]:
    try:
        kind = await device.read(layout.SIGNATURE_TYPE)
    except ModbusException as error:
        if error.code not in layout.NO_SUCH_REGISTER:
            raise  # a passing failure must not make the meter one that cannot sign
        return None, ""
    signature = layout.SIGNATURES.get(kind[0])
    if signature is None:
        return None, ""
    if key_format == "der":
        words = await device.read(layout.KEY_DER, layout.der_key_words(signature))
        key = layout.der_key(layout.raw(words))
    else:
        words = await device.read(layout.KEY_BINARY, layout.binary_key_words(signature))
        key = layout.binary_key(layout.raw(words))
    if not key:
        raise MeterDataError(f"public key begins with {layout.raw(words[:2]).hex()}")
    return signature, key
