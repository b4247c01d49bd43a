"""What a person or a script does to the station: plug, card, fault, network.

What is simulated may be driven; real hardware, and a station that has some, only where the config
says so, and never an outlet that has no means for it. A stimulus is given to the part that would
notice it in life: to the board's outlet, the reader, the link. What an outlet is told is taken from
it in order, so stimuli are applied in the order of their receipt even while the meter is busy with
an earlier one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus
from typing import Final, Protocol, runtime_checkable

import msgspec

from chargepoint.core.model import AdditionalInfo, Fault, IdToken, IdTokenType
from chargepoint.errors import Refused
from chargepoint.hardware.api import BoardFault, NotDriveable
from chargepoint.hardware.simulated import SimulatedOutlet, Vehicle
from chargepoint.local.bodies import (
    ContractBody,
    FaultBody,
    Nothing,
    OutletBody,
    PlugBody,
    TokenBody,
    Unfit,
    VehicleBody,
    read,
)
from chargepoint.local.http import Handler, Refusal, Request, Response, Route
from chargepoint.local.ports import Network
from chargepoint.station.station import Evse, Station

TURNS: Final = 50
"""Turns of the event loop left to the station to take note of a stimulus; it needs a dozen."""

_UNKNOWN: Final = frozenset({"UnknownEvse", "UnknownConnectorId"})


@runtime_checkable
class Driveable(Protocol):
    """An outlet that does what it is told because there is nothing real behind it."""

    def plug_in(self, vehicle: Vehicle, connector_id: int = 1) -> None:
        """Plug a vehicle; Refused if there is one."""
        ...

    def plug_out(self) -> None:
        """Take the vehicle away; Refused if there is none."""
        ...

    def suspend(self) -> None:
        """Let the vehicle pause; Refused if there is none."""
        ...

    def resume(self) -> None:
        """Let the vehicle go on; Refused if there is none."""
        ...

    def fault(self, event: BoardFault) -> None:
        """Break something or repair it."""
        ...


class Stimuli:
    """The routes that change something. Each answers 202 without waiting for CSMS or meter."""

    def __init__(self, station: Station, network: Network, *, drive: bool = False) -> None:
        self._station = station
        self._network = network
        self._drive = drive

    def routes(self) -> list[Route]:
        """All of them."""
        acts: dict[str, Callable[[Request], Awaitable[None]]] = {
            "/v1/ev/plug-in": self._plug_in,
            "/v1/ev/plug-out": self._plug_out,
            "/v1/ev/suspend": self._suspend,
            "/v1/ev/resume": self._resume,
            "/v1/token": self._present,
            "/v1/contract": self._present_contract,
            "/v1/fault/raise": self._raise_fault,
            "/v1/fault/clear": self._clear_fault,
            "/v1/network/disconnect": self._disconnect,
            "/v1/network/connect": self._connect,
        }
        return [Route("POST", path, _applied(act)) for path, act in acts.items()]

    async def _plug_in(self, request: Request) -> None:
        body = read(request, PlugBody)
        evse, outlet = self._outlet(body.evse, body.connector)
        vehicle = Vehicle(**msgspec.structs.asdict(body.ev or VehicleBody()))
        outlet.plug_in(vehicle, body.connector)
        await _noted(lambda: evse.runner.state.plugged)

    async def _plug_out(self, request: Request) -> None:
        evse, outlet = self._vehicle(request)
        outlet.plug_out()
        await _noted(lambda: not evse.runner.state.plugged)

    async def _suspend(self, request: Request) -> None:
        evse, outlet = self._vehicle(request)
        outlet.suspend()
        await _noted(lambda: not evse.runner.state.ev_ready)

    async def _resume(self, request: Request) -> None:
        evse, outlet = self._vehicle(request)
        outlet.resume()
        await _noted(lambda: evse.runner.state.ev_ready)

    async def _present(self, request: Request) -> None:
        body = read(request, TokenBody)
        if not body.id_token and body.type is not IdTokenType.NO_AUTHORIZATION:
            raise Unfit("id_token", "an empty text", "text of 1 to 36 characters")
        self._check_drives(body.evses)
        more = tuple(AdditionalInfo(one.id_token, one.type) for one in body.additional)
        self._station.present(IdToken(body.id_token, body.type, more), body.evses)
        await _noted(lambda: False)  # how far a token gets cannot be seen from here

    async def _present_contract(self, request: Request) -> None:
        body = read(request, ContractBody)
        self._check_drives((body.evse,))
        await self._station.present_contract(body.evse, body.chain)
        await _noted(lambda: False)  # how far it gets cannot be seen from here

    async def _raise_fault(self, request: Request) -> None:
        await self._fault(request, active=True)

    async def _clear_fault(self, request: Request) -> None:
        await self._fault(request, active=False)

    async def _disconnect(self, request: Request) -> None:
        read(request, Nothing)
        self._check_drives()
        self._network.disconnect()

    async def _connect(self, request: Request) -> None:
        read(request, Nothing)
        self._check_drives()
        self._network.connect()

    async def _fault(self, request: Request, *, active: bool) -> None:
        body = read(request, FaultBody)
        if body.evse is None:
            if body.connector is not None:
                raise Unfit("connector", "no evse beside it", "evse as well, or neither")
            self._check_drives()
            concerned = list(self._station.evses.values())
            fault = Fault(body.error_code, body.info, body.vendor_error_code)
            self._station.spawn(self._station.set_fault(0, fault, active=active))
        else:
            evse, outlet = self._outlet(body.evse, body.connector)
            concerned = [evse]
            outlet.fault(_board_fault(body, evse, active=active))
        await _noted(lambda: all(_has(evse, body.error_code) is active for evse in concerned))

    def _vehicle(self, request: Request) -> tuple[Evse, Driveable]:
        """Where the vehicle is that a request speaks of."""
        body = read(request, OutletBody)
        evse, outlet = self._outlet(body.evse, body.connector)
        seen = evse.runner.outlet.seen()
        if seen.plugged and seen.connector_id != body.connector:
            raise Refused(f"the vehicle is at connector {seen.connector_id}", reason="Occupied")
        return evse, outlet

    def _outlet(self, evse_id: int, connector_id: int | None) -> tuple[Evse, Driveable]:
        evse = self._station.evse(evse_id)
        count = len(evse.description.connectors)
        if connector_id is not None and not 1 <= connector_id <= count:
            raise Refused(
                f"no connector {connector_id} at EVSE {evse_id}, there are 1 to {count}",
                reason="UnknownConnectorId",
            )
        outlet = evse.runner.outlet
        if not isinstance(outlet, Driveable):
            raise NotDriveable(f"EVSE {evse_id} is real hardware and only does what happens to it")
        self._check_drives((evse_id,))
        return evse, outlet

    def _check_drives(self, evse_ids: Collection[int] = ()) -> None:
        """That these EVSEs, or the whole station, may be driven."""
        if self._drive:
            return
        for evse_id in evse_ids or self._station.evses:
            if not isinstance(self._station.evse(evse_id).runner.outlet, SimulatedOutlet):
                raise NotDriveable(
                    f"EVSE {evse_id} is real hardware; it may be driven from here if the config"
                    " says local.drive_real_hardware: true"
                )


def _board_fault(body: FaultBody, evse: Evse, *, active: bool) -> BoardFault:
    """The only connector of an EVSE is no other place than the EVSE."""
    several = len(evse.description.connectors) > 1
    return BoardFault(
        body.error_code,
        active,
        body.info,
        body.vendor_error_code,
        connector_id=(body.connector or 0) if several else 0,
    )


def _has(evse: Evse, error_code: str) -> bool:
    return any(fault.error_code == error_code for fault in evse.runner.state.faults)


async def _noted(applied: Callable[[], bool]) -> None:
    """Let the station take note, so that the next question finds it has.

    What is held up by the meter or the disk is applied when they are done, and not waited for: that
    is why turns are counted, not seconds.
    """
    for _ in range(TURNS):
        if applied():
            return
        await asyncio.sleep(0)


def _applied(act: Callable[[Request], Awaitable[None]]) -> Handler:
    async def handler(request: Request) -> Response:
        try:
            await act(request)
        except Refused as refused:
            unknown = refused.reason in _UNKNOWN
            status = HTTPStatus.NOT_FOUND if unknown else HTTPStatus.CONFLICT
            raise Refusal(status, str(refused)) from refused
        return Response({}, HTTPStatus.ACCEPTED)

    return handler
