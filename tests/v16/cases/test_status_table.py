"""The status table of OCPP 1.6, section 4.9: every transition, over a real WebSocket (TC_041).

Named as there, A2 to I8. A meter that answers at once leaves no time for Preparing or Finishing in
between. What is out of order is reserved no more (section 5.13), so I7 leads to Available.
"""

from collections.abc import Awaitable, Callable

import pytest
from case_rig import Case
from words_16 import ACCEPTED, CARD, OTHER_CARD, REJECTED, Open, configure, said, told

from chargepoint.core.model import Fault
from chargepoint.hardware.api import BoardFault

LATER = "2026-03-01T11:00:00Z"
NO_TOKENS = {"AuthCtrlr.Enabled": "false"}
TIMEOUT_S = 30

Step = Callable[[Case], Awaitable[object]]


async def plug_unready(run: Case) -> None:
    await run.plug(ready=False)


async def swipe(run: Case) -> None:
    await run.swipe(CARD)


async def ev_pauses(run: Case) -> None:
    await run.vehicle_ready(False)


async def ev_goes_on(run: Case) -> None:
    await run.vehicle_ready(True)


async def limit_0(run: Case) -> None:
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "startSchedule": "2026-03-01T00:00:00Z",
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 0.0}],
        },
    }
    assert (
        await run.ask("SetChargingProfile", connectorId=1, csChargingProfiles=profile) == ACCEPTED
    )


async def no_limit(run: Case) -> None:
    assert await run.ask("ClearChargingProfile", id=1) == ACCEPTED


async def inoperative(run: Case) -> None:
    await run.ask("ChangeAvailability", connectorId=1, type="Inoperative")


async def operative(run: Case) -> None:
    await run.ask("ChangeAvailability", connectorId=1, type="Operative")


async def fault(run: Case) -> None:
    run.outlets[1].fault(BoardFault("GroundFailure"))
    await run.settle()


async def repair(run: Case) -> None:
    run.outlets[1].fault(BoardFault("GroundFailure", active=False))
    await run.settle()


async def reserve(run: Case) -> None:
    wanted = {"idTag": CARD, "reservationId": 7, "expiryDate": LATER}
    assert await run.ask("ReserveNow", connectorId=1, **wanted) == ACCEPTED


async def cancel(run: Case) -> None:
    assert await run.ask("CancelReservation", reservationId=7) == ACCEPTED


async def remote_start(run: Case) -> None:
    assert await run.ask("RemoteStartTransaction", connectorId=1, idTag=CARD) == ACCEPTED


async def time_out(run: Case) -> None:
    await run.advance(TIMEOUT_S)


async def meter_waits(run: Case) -> None:
    run.meters[1].gate.clear()


async def meter_answers(run: Case) -> None:
    run.meters[1].gate.set()
    await run.settle()


plug, unplug = Case.plug, Case.unplug
CHARGING: tuple[Step, ...] = (plug, swipe)
SUSPENDED_EV: tuple[Step, ...] = (plug_unready, swipe)
SUSPENDED_EVSE: tuple[Step, ...] = (limit_0, plug, swipe)
BOTH_PAUSE: tuple[Step, ...] = (limit_0, plug_unready, swipe)
FINISHING: tuple[Step, ...] = (plug, swipe, swipe)

# name of the transition, how it comes to the status before, what happens, what is told then
TABLE: list[tuple[str, tuple[Step, ...], tuple[Step, ...], str]] = [
    ("A2", (), (plug,), "Preparing"),
    ("A2 token", (), (swipe,), "Preparing"),
    ("A2 remote start", (), (remote_start,), "Preparing"),
    ("A7", (), (reserve,), "Reserved"),
    ("A8", (), (inoperative,), "Unavailable"),
    ("A9", (), (fault,), "Faulted"),
    ("B1", (plug,), (unplug,), "Available"),
    ("B1 token", (swipe,), (swipe,), "Available"),
    ("B1 time-out", (swipe,), (time_out,), "Available"),
    ("B3", (plug,), (swipe,), "Charging"),
    ("B3 token first", (swipe,), (plug,), "Charging"),
    ("B4", (plug_unready,), (swipe,), "SuspendedEV"),
    ("B5", (limit_0, plug), (swipe,), "SuspendedEVSE"),
    ("B6", (plug,), (time_out,), "Finishing"),
    ("B9", (plug,), (fault,), "Faulted"),
    ("C1", CHARGING, (unplug,), "Available"),
    ("C4", CHARGING, (ev_pauses,), "SuspendedEV"),
    ("C5", CHARGING, (limit_0,), "SuspendedEVSE"),
    ("C6", CHARGING, (swipe,), "Finishing"),
    ("C6 slowly", (*CHARGING, meter_waits), (unplug, meter_answers), "Finishing, Available"),
    ("C8", (*CHARGING, inoperative), (swipe,), "Unavailable"),
    ("C9", CHARGING, (fault,), "Faulted"),
    ("D1", SUSPENDED_EV, (unplug,), "Available"),
    ("D3", SUSPENDED_EV, (ev_goes_on,), "Charging"),
    ("D5", SUSPENDED_EV, (limit_0,), "SuspendedEVSE"),
    ("D6", SUSPENDED_EV, (swipe,), "Finishing"),
    ("D8", (*SUSPENDED_EV, inoperative), (swipe,), "Unavailable"),
    ("D9", SUSPENDED_EV, (fault,), "Faulted"),
    ("E1", SUSPENDED_EVSE, (unplug,), "Available"),
    ("E3", SUSPENDED_EVSE, (no_limit,), "Charging"),
    ("E4", BOTH_PAUSE, (no_limit,), "SuspendedEV"),
    ("E6", SUSPENDED_EVSE, (swipe,), "Finishing"),
    ("E8", (*SUSPENDED_EVSE, inoperative), (swipe,), "Unavailable"),
    ("E9", SUSPENDED_EVSE, (fault,), "Faulted"),
    ("F1", FINISHING, (unplug,), "Available"),
    ("F2", (*FINISHING, meter_waits), (swipe, meter_answers), "Preparing, Charging"),
    ("F8", FINISHING, (inoperative,), "Unavailable"),
    ("F9", FINISHING, (fault,), "Faulted"),
    ("G1", (reserve,), (cancel,), "Available"),
    ("G2", (reserve,), (swipe,), "Preparing"),
    ("G8", (reserve,), (inoperative,), "Unavailable"),
    ("G9", (reserve,), (fault,), "Faulted"),
    ("H1", (inoperative,), (operative,), "Available"),
    ("H2", (inoperative, plug), (operative,), "Preparing"),
    ("H2 after a session", (*FINISHING, inoperative), (operative,), "Preparing"),
    ("H9", (inoperative,), (fault,), "Faulted"),
    ("I1", (fault,), (repair,), "Available"),
    ("I2", (plug, fault), (repair,), "Preparing"),
    ("I3", (*CHARGING, fault), (repair,), "Charging"),
    ("I4", (*SUSPENDED_EV, fault), (repair,), "SuspendedEV"),
    ("I5", (*SUSPENDED_EVSE, fault), (repair,), "SuspendedEVSE"),
    ("I6", (*FINISHING, fault), (repair,), "Finishing"),
    ("I7", (reserve, fault), (repair,), "Available"),
    ("I8", (inoperative, fault), (repair,), "Unavailable"),
]


@pytest.mark.spec("1.6", "4.9")
@pytest.mark.parametrize(
    ("before", "happens", "expected"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
async def test_every_transition_is_told(
    open_case: Open, before: tuple[Step, ...], happens: tuple[Step, ...], expected: str
) -> None:
    async with open_case(settings={"TxCtrlr.EVConnectionTimeOut": str(TIMEOUT_S)}) as run:
        for step in before:
            await step(run)
        run.take()

        for step in happens:
            await step(run)

        statuses = run.take("StatusNotification")
        assert [one["status"] for one in statuses] == expected.split(", ")
        assert {one["connectorId"] for one in statuses} == {1}
        broken = {one["status"] for one in statuses if one["errorCode"] != "NoError"}
        assert broken == ({"Faulted"} if expected == "Faulted" else set())


@pytest.mark.spec("1.6", "4.9")
@pytest.mark.parametrize("out_of_order", [False, True], ids=["A", "H"])
@pytest.mark.parametrize(
    ("vehicle", "expected"),
    [
        ((plug,), "Charging"),
        ((plug_unready,), "SuspendedEV"),
        ((limit_0, plug), "SuspendedEVSE"),
    ],
    ids=["3", "4", "5"],
)
async def test_where_nobody_is_asked_a_vehicle_is_enough(
    open_case: Open, vehicle: tuple[Step, ...], expected: str, *, out_of_order: bool
) -> None:
    async with open_case(settings=NO_TOKENS) as run:
        for step in (inoperative, *vehicle, operative) if out_of_order else vehicle:
            await step(run)

        statuses = [one["status"] for one in run.take("StatusNotification")]
        assert statuses[-1] == expected


@pytest.mark.spec("1.6", "TC_041_CS")
async def test_nothing_starts_at_a_faulted_connector(open_case: Open) -> None:
    async with open_case() as run:
        run.take()
        await fault(run)
        faulted = said(run, "StatusNotification")

        await run.plug()
        await run.swipe(OTHER_CARD)
        remote = await run.ask("RemoteStartTransaction", connectorId=1, idTag=CARD)
        words = told(run)
        await repair(run)
        repaired = said(run, "StatusNotification")
        await run.swipe(CARD)

        assert (faulted["status"], faulted["errorCode"]) == ("Faulted", "GroundFailure")
        assert remote == REJECTED
        assert words == [f"Authorize {OTHER_CARD}"]
        assert (repaired["status"], repaired["errorCode"]) == ("Preparing", "NoError")
        assert "1 Charging" in told(run)


@pytest.mark.spec("1.6", "TC_041_CS")
async def test_a_fault_in_a_transaction_stops_the_energy_until_it_goes(open_case: Open) -> None:
    async with open_case() as run:
        await run.charge(CARD)
        await fault(run)
        held = run.outlets[1].closed
        await repair(run)

        assert not held
        assert run.outlets[1].closed
        assert told(run)[-2:] == ["1 Faulted", "1 Charging"]


@pytest.mark.spec("1.6", "7.6")
@pytest.mark.parametrize(
    ("code", "vendor", "expected"),
    [
        ("ConnectorLockFailure", "", {"errorCode": "ConnectorLockFailure"}),
        ("GroundFailure", "E1", {"errorCode": "GroundFailure", "vendorErrorCode": "E1"}),
        ("HighTemperature", "", {"errorCode": "HighTemperature"}),
        ("InternalError", "", {"errorCode": "InternalError"}),
        ("OtherError", "E9", {"errorCode": "OtherError", "vendorErrorCode": "E9"}),
        ("OverCurrentFailure", "", {"errorCode": "OverCurrentFailure"}),
        ("OverVoltage", "", {"errorCode": "OverVoltage"}),
        ("PowerMeterFailure", "", {"errorCode": "PowerMeterFailure"}),
        ("PowerSwitchFailure", "", {"errorCode": "PowerSwitchFailure"}),
        ("ReaderFailure", "", {"errorCode": "ReaderFailure"}),
        ("ResetFailure", "", {"errorCode": "ResetFailure"}),
        ("UnderVoltage", "", {"errorCode": "UnderVoltage"}),
        ("WeakSignal", "", {"errorCode": "WeakSignal"}),
        ("Diode", "", {"errorCode": "OtherError", "vendorErrorCode": "Diode"}),
    ],
)
async def test_a_fault_is_told_with_its_code(
    open_case: Open, code: str, vendor: str, expected: dict[str, str]
) -> None:
    async with open_case() as run:
        run.take()
        run.outlets[1].fault(BoardFault(code, info="30 mA", vendor_error_code=vendor))
        await run.settle()

        payload = said(run, "StatusNotification")
        constant = {"connectorId": 1, "status": "Faulted", "info": "30 mA"}
        assert payload == {**constant, **expected, "timestamp": payload["timestamp"]}


@pytest.mark.spec("1.6", "7.6")
@pytest.mark.parametrize(
    ("before", "expected"),
    [((plug,), "Preparing"), (CHARGING, "SuspendedEVSE"), (FINISHING, "Finishing")],
    ids=["waiting", "charging", "finished"],
)
async def test_a_vehicle_that_is_not_understood_is_no_fault_of_the_connector(
    open_case: Open, before: tuple[Step, ...], expected: str
) -> None:
    async with open_case() as run:
        for step in before:
            await step(run)
        run.take()
        run.outlets[1].fault(BoardFault("EVCommunicationError", info="pilot"))
        await run.settle()
        payload = said(run, "StatusNotification")

        assert (payload["status"], payload["errorCode"]) == (expected, "EVCommunicationError")
        assert not run.outlets[1].closed
        run.outlets[1].fault(BoardFault("EVCommunicationError", active=False))
        await run.settle()
        gone = said(run, "StatusNotification")
        was = "Charging" if before == CHARGING else expected
        assert (gone["status"], gone["errorCode"]) == (was, "NoError")


@pytest.mark.spec("1.6", "4.9")
async def test_a_vehicle_that_is_not_there_is_not_misunderstood(open_case: Open) -> None:
    async with open_case() as run:
        run.take()
        run.outlets[1].fault(BoardFault("EVCommunicationError"))
        await run.settle()
        alone = told(run)
        await run.plug()

        assert alone == []
        payload = said(run, "StatusNotification")
        assert (payload["status"], payload["errorCode"]) == ("Preparing", "EVCommunicationError")


@pytest.mark.spec("1.6", "4.9")
async def test_a_fault_of_the_station_is_told_of_connector_0_too(open_case: Open) -> None:
    async with open_case() as run:
        run.take()
        await run.clock.done(run.station.set_fault(0, Fault("InternalError"), active=True))
        broken = told(run)
        await run.clock.done(run.station.set_fault(0, Fault("InternalError"), active=False))

        assert broken == ["0 Faulted", "1 Faulted"]
        assert told(run) == ["0 Available", "1 Available"]


@pytest.mark.spec("1.6", "4.9")
@pytest.mark.spec("1.6", "MinimumStatusDuration")
async def test_a_status_is_told_once_it_has_lasted(open_case: Open) -> None:
    async with open_case() as run:
        await configure(run, MinimumStatusDuration=5)
        run.take()

        await run.plug()
        await run.advance(4)
        early = told(run)
        await run.advance(1)
        payload = said(run, "StatusNotification")

        assert early == []
        assert (payload["status"], payload["timestamp"]) == (
            "Preparing",
            "2026-03-01T10:00:00.000Z",
        )


@pytest.mark.spec("1.6", "4.9")
@pytest.mark.spec("1.6", "MinimumStatusDuration")
async def test_a_status_that_was_short_is_never_told(open_case: Open) -> None:
    async with open_case() as run:
        await configure(run, MinimumStatusDuration=5)
        run.take()

        await run.plug()
        await run.advance(2)
        await run.unplug()
        await run.advance(20)
        nothing = told(run)
        await run.plug()
        await run.advance(1)
        await run.swipe(CARD)
        await run.advance(5)

        assert nothing == []
        assert told(run) == [f"Authorize {CARD}", f"Start 1 {CARD}", "1 Charging"]


@pytest.mark.spec("1.6", "4.9")
async def test_after_an_outage_only_what_differs_is_told(open_case: Open) -> None:
    async with open_case() as run:
        run.take()
        await run.cut()
        await run.plug()
        await run.unplug()
        await run.advance(5)
        await run.back()
        same = told(run)
        await run.advance(5)
        await run.cut()
        await run.plug()
        await run.unplug()
        await run.plug()
        await run.advance(5)
        await run.back()

        assert same == []
        assert told(run) == ["1 Preparing"]


@pytest.mark.spec("1.6", "4.9")
async def test_a_token_that_comes_after_the_time_out_still_begins(open_case: Open) -> None:
    async with open_case(settings={"TxCtrlr.EVConnectionTimeOut": str(TIMEOUT_S)}) as run:
        await run.plug()
        await run.advance(TIMEOUT_S)
        assert told(run)[-1] == "1 Finishing"

        await run.swipe(CARD)

        assert run.outlets[1].closed
        assert told(run)[-1] == "1 Charging"
