"""What the meter holds, told from its registers alone.

The meter does not say whether a record was fetched, and after an end it shows for a moment the old
status and text of the begin. So three things are compared: the charging state, the data set (ours,
with the transaction id; blanked by a release) and the text that was signed last.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from meters.drivers.iskra_wm3m4 import dataset, layout
from meters.drivers.iskra_wm3m4.dataset import RELEASED, Content
from meters.drivers.iskra_wm3m4.device import Device
from meters.drivers.iskra_wm3m4.layout import Charging


class Kind(Enum):
    """What there is."""

    FREE = "nothing"
    RUNNING = "a running transaction"
    SIGNING = "an ended transaction that is being signed"
    STALE = "an ended transaction that shows only its begin"
    TORN = "an ended transaction whose text changed while it was read"
    WAITING = "a record that waits to be released"
    LOST = "a transaction whose record could not be signed"


UNSETTLED: Final = frozenset({Kind.SIGNING, Kind.STALE, Kind.TORN})


@dataclass(frozen=True, slots=True)
class Held:
    """What the meter holds and whose it is.

    ``owner`` is empty if that cannot be told. ``nameless`` is a running transaction whose data set
    was lost with the power. ``trouble`` is why the signature failed, in words.
    """

    kind: Kind
    owner: str = ""
    nameless: bool = False
    trouble: str = ""


async def look(device: Device) -> Held:
    """Ask the meter; at most seven requests while it is idle."""
    charging = await device.charging()
    content = await device.data_set()
    if charging is not Charging.IDLE:
        named = content is not None and content.identification != RELEASED
        owner = content.owner if content is not None and named else None
        return Held(Kind.RUNNING, owner or "", nameless=not named)
    if content is None or content.identification == RELEASED:
        return Held(Kind.FREE)
    status = await device.signature_status()
    if status in {layout.SIGNING, layout.SIGNED} or status in layout.TROUBLES:
        text = await device.output_text() if status != layout.SIGNING else b""
        return _ended(content, status, text)
    return Held(Kind.FREE)


def _ended(content: Content, status: int, text: bytes) -> Held:
    """An idle meter with a data set: either it was never begun, or it has ended."""
    owner = content.owner or ""
    if status == layout.SIGNING:
        return Held(Kind.SIGNING, owner)
    signed = dataset.read(text)
    if signed is None and status == layout.SIGNED and text:
        return Held(Kind.TORN, owner)
    if signed is None or signed.identification != content.identification:
        return Held(Kind.FREE)
    if status != layout.SIGNED:
        return Held(Kind.LOST, owner, trouble=layout.TROUBLES[status])
    return Held(Kind.WAITING if signed.complete else Kind.STALE, owner)
