"""One TransactionEvent with a signed record: from fact to checked text, from text to checked data.

Sending is all that happens between a fact out of the journal and the text for the socket: wording,
container and key of the record, schema check, JSON. Receiving is frame, JSON, schema check.
python-ocpp does the same with the same message in a process beside it, round by round. Times are
those on a core, the best of the rounds: what else the machine does only ever adds to them.
"""

import asyncio
import json
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

from chargepoint.bench import measure_rig as rig
from chargepoint.bench.measure_figures import Extent, Figure, spread
from chargepoint.core.facts import TransactionUpdated
from chargepoint.core.model import Cause, ChargingState, Context, Sampled
from chargepoint.csms import frames
from chargepoint.csms.adapter import Delivery
from chargepoint.csms.profiles import PROFILES
from chargepoint.csms.record_sender import RecordSender
from chargepoint.csms.schemas import Schemas
from chargepoint.store.sqlite import Entry
from chargepoint.v201.transactions import Transactions
from meters.model import Quantity, Reading, Sample, SignedReading
from meters.ocmf import Curve, algorithm_of

if TYPE_CHECKING:
    from chargepoint.station.station import Station

GOAL_US: Final = 100.0
_ACTION: Final = "TransactionEvent"
_DOCUMENT_BYTES: Final = 1500  # 2000 characters in base64
# The generator of brainpoolP384r1: a key as long as any other on that curve.
_POINT: Final = (
    "041D1C64F068CF45FFA2A63A81B7C13F6B8847A3E77EF14FE3DB7FCAFE0CBD10E8E826E03436D646AAEF87B2E247D4"
    "AF1E8ABE1D7520F9C2A45CB1EB8E95CFD55262B70B29FEEC5864E19C054FF99129280E4646217791811142820341263C"
    "5315"
)
_REFERENCE: Final = "python-ocpp: {} us with 2 kB in a frame of 3.1 kB"


class _Socket:
    """Takes what would go over the connection."""

    def __init__(self) -> None:
        self.text = ""
        self._schemas = Schemas("2.0.1")

    async def call(
        self, action: str, payload: dict[str, Any], *, message_id: str | None = None
    ) -> dict[str, Any]:
        """As ``csms.rpc.Endpoint`` up to the socket; there is no answer."""
        self._schemas.request(action, payload)
        self.text = frames.call(message_id or "", action, payload)
        return {}


async def measure(extent: Extent) -> list[Figure]:
    """Rounds in turn: ours, theirs."""
    count = 200 if extent.quick else 1000
    socket, schemas, block = _Socket(), Schemas("2.0.1"), _block()
    delivery = Delivery(Entry(1, "1", "", signed_fact(), offline=False, attempts=0), socket)

    def send() -> None:
        _step(block, delivery)

    def receive() -> None:
        message = frames.parse(text)
        if isinstance(message, frames.Call):
            schemas.request(message.action, message.payload)

    send()  # compiles the schema
    text = socket.text
    ours: dict[str, list[float]] = {"send": [], "receive": []}
    theirs: list[dict[str, float]] = []
    peer = await _peer(text)
    try:
        await _ask(peer, 1)  # loads its schema
        for _ in range(extent.rounds):
            ours["send"].append(_microseconds(send, count))
            ours["receive"].append(_microseconds(receive, count))
            theirs.append(await _ask(peer, max(20, count // 10)))
    finally:
        await peer.communicate(b"")
    return [
        _figure(
            f"send a validated TransactionEvent ({len(text)} bytes)", "send", ours, theirs, 872
        ),
        _figure("receive a validated TransactionEvent", "receive", ours, theirs, 752),
    ]


def _figure(
    what: str,
    name: str,
    ours: dict[str, list[float]],
    theirs: list[dict[str, float]],
    reference: int,
) -> Figure:
    own = min(ours[name])
    other = {step: min(one[step] for one in theirs) for step in theirs[0]}
    parts = ", ".join(f"{step} {other[step]:.0f}" for step in ("pack", "validate", "unpack"))
    return Figure(
        what=what,
        value=own,
        unit="us",
        goal=GOAL_US,
        beside=(
            f"python-ocpp {other[name]:.0f} us ({parts}): {other[name] / own:.1f} times as long;"
            f" ours {spread(ours[name])}"
        ),
        elsewhere=_REFERENCE.format(reference),
    )


def signed_fact() -> TransactionUpdated:
    """A reading of four values with a signed record of 2 kB in base64 and its key."""
    at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    signed = SignedReading(
        document=b"OCMF|".ljust(_DOCUMENT_BYTES, b"x"),
        method=algorithm_of(Curve.BRAINPOOL_P384R1),
        public_key=_POINT,
    )
    samples = (
        Sample(Quantity.ENERGY_IMPORT, Decimal(1234567)),
        Sample(Quantity.POWER, Decimal(11000)),
        Sample(Quantity.CURRENT, Decimal("15.98")),
        Sample(Quantity.VOLTAGE, Decimal("229.9")),
    )
    names = (
        "Energy.Active.Import.Register",
        "Power.Active.Import",
        "Current.Import",
        "Voltage",
    )
    return TransactionUpdated(
        evse_id=1,
        connector_id=1,
        transaction_id="2f7c1c2e-5a86-4f3a-9c55-3d1f0f6d7f10",
        seq=7,
        at=at,
        cause=Cause.METER_PERIODIC,
        charging_state=ChargingState.CHARGING,
        samples=(Sampled(Reading(at, samples, signed), Context.PERIODIC, names),),
        with_key=True,
    )


def _block() -> Transactions:
    """A periodic reading needs nothing of the station."""
    station, profile = cast("Station", None), PROFILES["standard"]
    records = RecordSender(station, profile, version="2.0.1")
    return Transactions(station, profile, records)


def _step(block: Transactions, delivery: Delivery) -> None:
    """Run the coroutine, which never waits here, without a loop around it."""
    try:
        block.updated(cast("TransactionUpdated", delivery.entry.fact), delivery).send(None)
    except StopIteration:
        return
    raise rig.MeasurementFailed("sending waited for something")


def _microseconds(step: Callable[[], object], count: int) -> float:
    started = time.process_time()
    for _ in range(count):
        step()
    return 1e6 * (time.process_time() - started) / count


async def _peer(text: str) -> Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "chargepoint.bench.measure_peer",
        stdin=rig.PIPE,
        stdout=rig.PIPE,
    )
    if process.stdin is not None:
        process.stdin.write(f"{text}\n".encode())
    return process


async def _ask(peer: Process, count: int) -> dict[str, float]:
    if peer.stdin is None or peer.stdout is None:
        raise rig.MeasurementFailed("no pipe")
    peer.stdin.write(f"{count}\n".encode())
    async with asyncio.timeout(rig.PATIENCE_S):
        line = await peer.stdout.readline()
    if not line:
        raise rig.MeasurementFailed("python-ocpp ended without an answer")
    answer: dict[str, float] = json.loads(line)
    return answer
