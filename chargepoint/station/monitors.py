"""The live monitors: kept over restarts, looking at their variables, telling events.

OCPP 2.0.1 block N. Why the variables are looked at every second and not where they change: there
are a dozen sources of values (boards, meters, settings), a look costs microseconds, and a monitor
that one of them forgot to wake would be silent.

What a monitor has told is stored together with the event, so that a restart neither tells it again
nor forgets to tell that it is over.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol

from chargepoint.clock import Clock
from chargepoint.core.facts import Fact, VariableEvent
from chargepoint.core.monitoring import (
    MONITORS_MOST,
    SEVERITIES,
    Criterion,
    Event,
    Monitor,
    MonitorType,
    NotMonitored,
    Origin,
    Remembered,
    Verdict,
    Watch,
    change,
    check,
    duplicate,
    fresh_id,
    look,
    remember,
)
from chargepoint.core.variables import (
    ACTIVE_MONITORING_BASE,
    ACTIVE_MONITORING_LEVEL,
    MONITORING_ENABLED,
    OFFLINE_QUEUING_SEVERITY,
    QUEUE_ALL_MESSAGES,
    Address,
    MonitoringBase,
)
from chargepoint.core.variables_answers import Answer, Outcome
from chargepoint.core.variables_report import Wanted
from chargepoint.errors import Refused, StoreError
from chargepoint.station.device_model import DeviceModel
from chargepoint.store.sqlite import Store

log = logging.getLogger(__name__)

JOB = "monitors"
LOOK_EVERY = timedelta(seconds=1)
PROBLEM_SEVERITY = 4  # an error
NEARLY_FULL = Monitor(
    1,
    "SecurityCtrlr.CertificateEntries",
    MonitorType.UPPER,
    Decimal(45),
    severity=6,
    origin=Origin.PRECONFIGURED,
)


class Monitored(Protocol):
    """What is asked of the station."""

    store: Store
    clock: Clock
    model: DeviceModel

    @property
    def evses(self) -> Mapping[int, Any]:
        """The EVSEs; their runners know of transactions."""
        ...

    def recorded(self, evse_id: int, facts: tuple[Fact, ...]) -> None:
        """Facts were stored; EVSE 0 is the station."""
        ...


class Monitors:
    """All monitors of a station, and what they remember."""

    def __init__(self, station: Monitored, *, online: Callable[[], bool]) -> None:
        self._station = station
        self._online = online
        self._factory = {monitor.id: monitor for monitor in _factory(sorted(station.evses))}
        self._changed = station.store.monitors.load()
        self._kept = station.store.jobs.get(JOB, tuple[Remembered, ...]) or ()
        known = self._factory | self._changed
        self._watches = {
            kept.monitor.id: kept.watch
            for kept in self._kept
            if known.get(kept.monitor.id) == kept.monitor
        }

    @property
    def all(self) -> list[Monitor]:
        """Those that work now, by id."""
        known = self._factory | self._changed
        only = self._station.model[ACTIVE_MONITORING_BASE] is MonitoringBase.HARD_WIRED_ONLY
        return [
            known[number]
            for number in sorted(known)
            if not known[number].cleared
            and not (only and known[number].origin is Origin.PRECONFIGURED)
        ]

    def set(
        self, monitor: Monitor | None, new: Monitor, where: Address
    ) -> tuple[Verdict, Monitor, Refused | None]:
        """Set a monitor, or with ``monitor`` change that one; its verdict, and it with its id.

        ``where`` is the address that was asked for, which may be one that cannot be written. It
        looks at its variable at once (N04.FR.11).
        """
        row = self._station.model.row(where)
        if isinstance(row, Outcome):
            unknown = row.answer is Answer.UNKNOWN_COMPONENT
            return Verdict.UNKNOWN_COMPONENT if unknown else Verdict.UNKNOWN_VARIABLE, new, None
        try:
            check(new, row)
            new = self._identified(monitor, replace(new, variable=str(row.address)))
            if duplicate(new, self.all):
                return Verdict.DUPLICATE, new, None
            self._station.store.monitors.save(new)
        except NotMonitored as refused:
            return Verdict.UNSUPPORTED, new, refused
        except Refused as refused:
            return Verdict.REJECTED, new, refused
        except StoreError as error:
            log.error("monitor not stored: %s", error)  # noqa: TRY400 - the disk
            return Verdict.REJECTED, new, Refused("it could not be stored", reason="InternalError")
        self._changed[new.id] = new
        self._watches.pop(new.id, None)
        self._keep(self._look_at(new))
        return Verdict.ACCEPTED, new, None

    def get(self, monitor_id: int) -> Monitor | None:
        """The one of this id; None if it does not work."""
        return next((monitor for monitor in self.all if monitor.id == monitor_id), None)

    def clear(self, monitor_id: int) -> bool:
        """Remove a monitor; nothing is told of it. False if there is none.

        Raises:
            Refused: it is hard-wired.
            StoreError: it stays.
        """
        if (monitor := self.get(monitor_id)) is None:
            return False
        if monitor.origin is Origin.HARD_WIRED:
            raise Refused(f"monitor {monitor_id} cannot be cleared", reason="ReadOnly")
        if monitor.origin is Origin.PRECONFIGURED:
            gone = replace(monitor, cleared=True)
            self._station.store.monitors.save(gone)
            self._changed[monitor_id] = gone
        else:
            self._station.store.monitors.forget(monitor_id)
            self._changed.pop(monitor_id)
        self._watches.pop(monitor_id, None)
        return True

    def set_base(self, base: MonitoringBase) -> None:
        """Choose which monitors there are; all but ALL drop what the CSMS set or changed (N03).

        Raises:
            StoreError: it stays as it was.
        """
        if base is not MonitoringBase.ALL:
            self._station.store.monitors.forget_all(ACTIVE_MONITORING_BASE.name, base)
            self._changed.clear()
            self._watches.clear()
        self._station.model.assign(ACTIVE_MONITORING_BASE, base)

    def set_level(self, severity: int) -> None:
        """Tell only events up to this severity number.

        Raises:
            Refused: it is none.
            StoreError: it stays as it was.
        """
        if severity not in SEVERITIES:
            raise Refused(f"severity {severity}, allowed 0 to 9", reason="ValueOutOfRange")
        self._station.model.assign(ACTIVE_MONITORING_LEVEL, severity)

    def select(self, criteria: Collection[Criterion], wanted: Sequence[Wanted]) -> list[Monitor]:
        """The monitors that one of the criteria and one of the addresses means (N02)."""
        return [
            monitor
            for monitor in self.all
            if (not criteria or monitor.criterion in criteria)
            and (not wanted or any(w.fits(Address.parse(monitor.variable)) for w in wanted))
        ]

    async def run(self) -> None:
        """Look at the variables, for ever."""
        while True:
            self.look()
            await self._station.clock.sleep(LOOK_EVERY)

    def look(self) -> None:
        """Look at every monitored variable once, and tell what there is to tell."""
        self._keep(*(self._look_at(monitor) for monitor in self.all))

    def _identified(self, old: Monitor | None, new: Monitor) -> Monitor:
        if old is not None:
            return change(old, new)
        if len(self.all) >= MONITORS_MOST:
            raise Refused(f"there are {MONITORS_MOST} already", reason="OutOfStorage")
        return replace(new, id=fresh_id(self._factory.keys() | self._changed.keys()))

    def _look_at(self, monitor: Monitor) -> VariableEvent | None:
        address = Address.parse(monitor.variable)
        running = self._transaction(address.evse)
        outcome = self._station.model.get(address)
        if (monitor.transaction and not running) or outcome.value is None:
            return None
        watch = self._watches.get(monitor.id, Watch())
        now = self._station.clock.now()
        self._watches[monitor.id], event = look(monitor, watch, outcome.value, now)
        if event is None or not self._is_told(monitor):
            return None
        return self._event(monitor, event, running)

    def _keep(self, *events: VariableEvent | None) -> None:
        """Store what is to be told and what is remembered; a disk that refuses costs the event."""
        facts = tuple(event for event in events if event is not None)
        watched = ((one, self._watches[one.id]) for one in self.all if one.id in self._watches)
        kept = tuple(found for pair in watched if (found := remember(*pair)) is not None)
        if not facts and kept == self._kept:
            return
        try:
            self._station.store.commit_job(JOB, kept, facts, offline=not self._online())
        except StoreError as error:
            log.error("events of monitors not stored: %s", error)  # noqa: TRY400 - the disk
            return
        self._kept = kept
        if facts:
            self._station.recorded(0, facts)

    def _is_told(self, monitor: Monitor) -> bool:
        """Not above the level (N08.FR.02), offline not above the queuing severity (N07.FR.04)."""
        model = self._station.model
        most = model[ACTIVE_MONITORING_LEVEL]
        if not self._online() and not model[QUEUE_ALL_MESSAGES]:
            most = min(most, model[OFFLINE_QUEUING_SEVERITY])
        return model[MONITORING_ENABLED] and monitor.severity <= most

    def _event(self, monitor: Monitor, event: Event, transaction_id: str) -> VariableEvent:
        return VariableEvent(
            monitor.variable,
            self._station.clock.now(),
            event.trigger,
            event.value,
            monitor.id,
            monitor.origin,
            monitor.severity,
            cleared=event.cleared,
            transaction_id=transaction_id,
        )

    def _transaction(self, evse_id: int | None) -> str:
        """The transaction that runs at an EVSE, or anywhere; empty if there is none."""
        for number, evse in self._station.evses.items():
            transaction = evse.runner.state.transaction
            if evse_id in {None, number} and transaction is not None:
                return str(transaction.transaction_id)
        return ""


def _factory(evses: Sequence[int]) -> list[Monitor]:
    """What the station comes with: the problems of its parts, and one that can be changed."""
    names = ["ChargingStation.Problem"]
    for evse_id in evses:
        names += [f"EVSE[{evse_id}].Problem", f"FiscalMetering[{evse_id}].Problem"]
    return [NEARLY_FULL] + [
        Monitor(
            number,
            name,
            MonitorType.DELTA,
            Decimal(1),
            PROBLEM_SEVERITY,
            origin=Origin.HARD_WIRED,
        )
        for number, name in enumerate(names, NEARLY_FULL.id + 1)
    ]
