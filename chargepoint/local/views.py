"""What the station shows of itself, as plain JSON: status, transactions, records, settings.

Times are RFC 3339 in UTC. Measured values and energies are text, so that no digit the meter gave is
lost on the way through a float; their units stand beside them. Tokens are masked.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias

from chargepoint.core.model import Context, EvseState, Fault, Sampled, Text
from chargepoint.core.reservation import Reservation
from chargepoint.local.http import Event
from chargepoint.local.ports import IdentityView, LinkView, SessionView
from chargepoint.local.record_views import instant
from chargepoint.station.meter_health import Health
from chargepoint.station.metering import EvseMeter, is_fresh
from chargepoint.station.parts import Books
from chargepoint.station.station import Evse, Station
from chargepoint.store.tables import RecordRow, TransactionRow
from chargepoint.store.untold import Untold
from meters.model import Quantity, Reading

Json: TypeAlias = dict[str, Any]  # what is given to the encoder, field by field

UNITS: Final[Mapping[Quantity, str]] = {
    Quantity.ENERGY_IMPORT: "Wh",
    Quantity.ENERGY_EXPORT: "Wh",
    Quantity.POWER: "W",
    Quantity.REACTIVE_POWER: "var",
    Quantity.APPARENT_POWER: "VA",
    Quantity.POWER_FACTOR: "",
    Quantity.VOLTAGE: "V",
    Quantity.CURRENT: "A",
    Quantity.FREQUENCY: "Hz",
    Quantity.TEMPERATURE: "Celsius",
}


@dataclass(frozen=True, slots=True)
class Views:
    """Answers questions about one station; ``pending`` is what of the config waits for a start."""

    station: Station
    station_id: str
    identity: IdentityView
    session: SessionView
    link: LinkView
    pending: Callable[[], Iterable[str]] = tuple

    def status(self) -> Json:
        """Everything that is so at this moment."""
        station, link = self.station, self.link
        return {
            "identity": {
                "station_id": self.station_id,
                "vendor": self.identity.vendor,
                "model": self.identity.model,
                "serial_number": self.identity.serial_number,
                "version": self.identity.firmware_version,
            },
            "now": instant(station.clock.now()),
            "local_time": self._local_time(),
            "boot_status": str(self.session.registration),
            "online": self.session.online,
            "link": {
                "state": str(link.state),
                "since": instant(link.since),
                "url": link.config.station_url,
                "subprotocol": link.subprotocol,
                "last_error": link.last_error,
                "failed_attempts": link.failures,
            },
            "journal": {"waiting": station.store.waiting},
            "storage_low": station.store.low,
            "storage": self._storage(),
            "status": str(station.own_status()),
            "faults": [_fault(fault) for fault in station.faults.values()],
            "evses": [self._evse(evse) for evse in station.evses.values()],
            "parts": [self._part(books) for books in station.parts.values()],
            "stalled": station.progress.stalled(),
            "config": {"pending": list(self.pending())},
            "reservations": [_reservation(known) for known in station.reservations.known],
        }

    def _storage(self) -> Json:
        """What is wrong with the store, "" if nothing is; what was ever set aside, oldest first."""
        store = self.station.store
        return {"trouble": store.trouble, "set_aside": [one.name for one in store.set_aside()]}

    def _local_time(self) -> str:
        """Now, as people at the station read it; with its offset from UTC."""
        zone = self.station.profiles.zone()
        return self.station.clock.now().astimezone(zone).isoformat(timespec="seconds")

    def transactions(self, limit: int, before: datetime | None) -> Json:
        """One page, newest first; ``next`` is the ``before`` of the page after it, if any.

        ``before`` is in UTC.
        """
        earlier_than = "" if before is None else before.isoformat()  # as the store writes it
        rows = self.station.store.transactions.page(limit + 1, earlier_than)
        page = rows[:limit]
        more = len(rows) > limit
        return {
            "transactions": [self._transaction(row) for row in page],
            "next": instant(page[-1].started_at) if more else None,
        }

    def transaction(self, transaction_id: str) -> Json | None:
        """One with its readings, oldest first; None if it is not known."""
        row = self.station.store.transactions.get(transaction_id)
        if row is None:
            return None
        return {**self._transaction(row), "readings": self._readings(row)}

    def records(self, transaction_id: str) -> Json | None:
        """The signed records of a transaction, oldest first; None if it is not known."""
        store = self.station.store
        rows = store.records.of(transaction_id)
        if not rows and store.transactions.get(transaction_id) is None:
            return None
        return {"transaction_id": transaction_id, "records": [_record(row) for row in rows]}

    def untold(self) -> Json:
        """What the CSMS was not told, or told only in part, oldest first; the facts stay inside."""
        return {"untold": [_untold(untold) for untold in self.station.store.untold.all()]}

    def settings(self) -> Json:
        """Every setting; secrets are stars. ``keys`` are the names in OCPP 1.6."""
        return {"settings": list(self.station.model.all_settings())}

    def unready(self) -> list[str]:
        """Why the station cannot do its whole work now; empty if it can.

        Shown to everybody, so what a meter's error says of the site is left to ``status``.
        """
        reasons = []
        if self.session.registration != "Accepted":
            reasons.append(f"the CSMS has not accepted the station: {self.session.registration}")
        if self.station.availability.no_store is not None:
            reasons.append("no session can be recorded: the store does not work")
        for evse in self.station.evses.values():
            condition = health(evse.meter, self.station)
            if condition is not Health.OK:
                reasons.append(f"meter {evse.meter.name} is {condition}")
        return reasons

    def stalled(self) -> list[str]:
        """What does not get on: reasons to start the station again. Shown to everybody."""
        return self.station.progress.stalled()

    def hello(self) -> Event:
        """The first event of a stream: from now on nothing is missed."""
        now = instant(self.station.clock.now())
        return Event("hello", {"station_id": self.station_id, "at": now})

    def _part(self, books: Books) -> Json:
        """A part that is kept running; what its error said stays in the log."""
        return {
            "name": books.name,
            "running": books.running,
            "well": books.failing_since is None,
            "failures": books.failures,
            "failed_at": instant(books.failed_at) if books.failed_at else None,
            "last_error": books.last_error or None,
        }

    def _evse(self, evse: Evse) -> Json:
        state = evse.runner.state
        statuses = {
            told.connector_id: str(told.status)
            for told in self.station.statuses()
            if told.evse_id == state.evse_id
        }
        return {
            "evse_id": state.evse_id,
            "charge_point": evse.description.charge_point,
            "availability": {
                "operative": state.operative,
                "scheduled": not state.operative and state.busy,
            },
            "stage": str(state.stage),
            "plugged": state.plugged,
            "charging_state": str(state.charging_state),
            "connectors": [
                {"connector_id": number, "type": kind, "status": statuses[number]}
                for number, kind in enumerate(evse.description.connectors, 1)
            ],
            "limit_a": _digits(state.limit_a),
            "transaction": _running(state, evse.meter.reading),
            "faults": [_fault(fault) for fault in state.faults],
            "screen": [_text(text) for text in self.station.displays.texts(state.evse_id)],
            "reading": self._last(evse.meter.reading),
            "meter": self._meter(evse.meter),
        }

    def _last(self, reading: Reading | None) -> Json | None:
        if reading is None:
            return None
        return {"age_s": age_s(reading, self.station), **_reading(reading)}

    def _meter(self, meter: EvseMeter) -> Json:
        info = meter.info
        return {
            "name": meter.name,
            "health": str(health(meter, self.station)),
            "error": meter.books.error,
            "complaints": list(meter.books.complaints),
            "vendor": info.vendor if info else None,
            "model": info.model if info else None,
            "serial_number": info.serial_number if info else None,
            "firmware": info.firmware if info else None,
            "public_key": info.public_key if info else None,
            "signing_method": info.signing_method if info else None,
        }

    def _transaction(self, row: TransactionRow) -> Json:
        return {
            "transaction_id": row.transaction_id,
            "evse_id": row.evse_id,
            "connector_id": row.connector_id,
            "token": row.token,
            "started_at": instant(row.started_at),
            "ended_at": instant(row.ended_at) if row.ended_at else None,
            "begin_wh": row.begin_wh,
            "end_wh": row.end_wh,
            "energy_wh": _digits(row.energy_wh),
            "reason": row.reason,
            "missing": row.missing,
            "missing_kind": row.missing.partition(":")[0] if row.missing else None,
            "csms_id": self.station.store.csms_transaction(row.transaction_id),
        }

    def _readings(self, row: TransactionRow) -> list[Json]:
        """The begin, those kept for the final message, and the end or the last one so far."""
        runner = self.station.find(row.transaction_id)
        if runner is None or runner.state.transaction is None:
            ends = [
                _register(row.started_at, row.begin_wh, Context.BEGIN),
                _register(row.ended_at, row.end_wh, Context.END),
            ]
            return [end for end in ends if end is not None]
        begin = runner.state.transaction.begin
        kept = self.station.store.transactions.kept(row.transaction_id)
        first = (Sampled(begin, Context.BEGIN),) if begin is not None else ()
        readings = [_sampled(sampled) for sampled in (*first, *kept)]
        last = self.station.evses[row.evse_id].meter.reading
        if last is not None and (begin is None or last.taken_at > begin.taken_at):
            readings.append({"context": None, **_reading(last)})
        return readings


def age_s(reading: Reading, station: Station) -> float:
    """How old a reading is, in seconds; 0 if the clock was set back since."""
    return max(0.0, round((station.clock.now() - reading.taken_at).total_seconds(), 3))


def health(meter: EvseMeter, station: Station) -> Health:
    """How a meter is now: one that was well when last heard of may be stale meanwhile."""
    known = meter.known()
    fresh = is_fresh(known, station.clock.now(), station.settings.meter_stale_after())
    return Health.STALE if known.health is Health.OK and not fresh else known.health


def _running(state: EvseState, last: Reading | None) -> Json | None:
    transaction = state.transaction
    if transaction is None:
        return None
    first, who = transaction.begin, transaction.authorization
    begin = first.value(Quantity.ENERGY_IMPORT) if first else None
    now = last.value(Quantity.ENERGY_IMPORT) if last else None
    counted = None if begin is None or now is None else max(now - begin, Decimal(0))
    return {
        "transaction_id": transaction.transaction_id,
        "started_at": instant(transaction.started_at),
        "token": who.token.masked if who else None,
        "authorized_by": str(who.source) if who else None,
        "energy_wh": _digits(counted),
    }


def _text(text: Text) -> Json:
    return {"content": text.content, "format": text.format, "language": text.language or None}


def _reservation(known: Reservation) -> Json:
    """Who has reserved what; what is None was left open."""
    return {
        "reservation_id": known.reservation_id,
        "expires": instant(known.expires),
        "token": known.token.masked,
        "evse_id": known.evse_id,
        "connector_id": known.connector_id,
        "connector_type": known.connector_type or None,
    }


def _fault(fault: Fault) -> Json:
    return {
        "error_code": fault.error_code,
        "vendor_error_code": fault.vendor_error_code,
        "info": fault.info,
        "blocks": fault.blocks,
    }


def _record(row: RecordRow) -> Json:
    """A record; ``text`` is its document if that is text, else ``base64`` is.

    ``public_key`` is what the meter gave, as upper-case hex.
    """
    try:
        document: Json = {"text": row.document.decode(), "base64": None}
    except UnicodeDecodeError:
        document = {"text": None, "base64": row.document}
    return {
        **document,
        "encoding": row.encoding,
        "method": row.method,
        "public_key": row.public_key,
        "verdict": row.verdict,
        "taken_at": instant(row.taken_at),
        "released_at": instant(row.released_at) if row.released_at else None,
        "delivered_at": instant(row.delivered_at) if row.delivered_at else None,
    }


def _untold(untold: Untold) -> Json:
    return {
        "kind": untold.kind,
        "transaction_id": getattr(untold.fact, "transaction_id", "") or None,
        "ocpp": untold.lack.version,
        "why": untold.lack.why,
        "at": instant(untold.lack.at),
    }


def _sampled(sampled: Sampled) -> Json:
    return {"context": str(sampled.context), **_reading(sampled.reading)}


def _reading(reading: Reading) -> Json:
    return {
        "taken_at": instant(reading.taken_at),
        "values": [
            _value(sample.quantity, sample.value, sample.phase) for sample in reading.samples
        ],
    }


def _register(moment: str | None, energy_wh: str | None, context: Context) -> Json | None:
    if moment is None or energy_wh is None:
        return None
    value = _value(Quantity.ENERGY_IMPORT, Decimal(energy_wh), None)
    return {"context": str(context), "taken_at": instant(moment), "values": [value]}


def _value(quantity: Quantity, value: Decimal, phase: str | None) -> Json:
    return {
        "quantity": str(quantity),
        "phase": phase,
        "value": _digits(value),
        "unit": UNITS[quantity],
    }


def _digits(value: Decimal | None) -> str | None:
    """Plain digits, never an exponent."""
    return None if value is None else format(value, "f")
