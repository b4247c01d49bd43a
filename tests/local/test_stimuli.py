"""What can be done to the station over the local interface, each stimulus with its bad answers."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pki import pem, root
from served_station import Served, serve, until

from chargepoint.core.variables import Address
from chargepoint.local.http import Request
from chargepoint.local.stimuli import Driveable, Stimuli

OUTLET = {"evse": 1, "connector": 1}
PLUG_IN = "/v1/ev/plug-in"
DRIVEN = [
    PLUG_IN,
    "/v1/ev/plug-out",
    "/v1/ev/suspend",
    "/v1/ev/resume",
    "/v1/fault/raise",
    "/v1/fault/clear",
]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path) as it:
        yield it


async def test_a_plugged_vehicle_shows_in_the_next_status(served: Served) -> None:
    answer = await served.post(PLUG_IN, OUTLET)

    assert (answer.status, answer.json()) == (202, {})
    evse = await served.evse()
    assert (evse["plugged"], evse["stage"]) == (True, "plugged")
    assert evse["connectors"] == [
        {"connector_id": 1, "type": "cType2", "status": "Preparing"},
    ]


async def test_what_was_answered_has_been_applied(served: Served) -> None:
    handlers = {
        route.path: route.handler for route in Stimuli(served.station, served.link).routes()
    }
    runner = served.station.evses[1].runner
    headers = {"content-type": "application/json"}

    async def state_after(path: str) -> tuple[bool, bool]:
        request = Request("POST", path, {}, {}, headers, json.dumps(OUTLET).encode())
        await handlers[path](request)
        return runner.state.plugged, bool(runner.state.faults)

    states = [
        await state_after(path)
        for path in (PLUG_IN, "/v1/fault/raise", "/v1/fault/clear", "/v1/ev/plug-out")
    ]

    assert states == [(True, False), (True, True), (True, False), (False, False)]


async def test_a_vehicle_behaves_as_it_was_told(served: Served) -> None:
    behaviour = {
        "ready_after_s": 1000,
        "power_w": 3700.5,
        "phases": 1,
        "unplug_after_s": None,
        "fault": "diode",
        "fault_after_s": 2000.0,
    }

    await served.post(PLUG_IN, {**OUTLET, "ev": behaviour})

    vehicle = served.station.board.outlet(1).vehicle  # type: ignore[attr-defined]
    assert {name: getattr(vehicle, name) for name in behaviour} == behaviour


async def test_a_vehicle_that_breaks_at_once_makes_the_connector_faulted(served: Served) -> None:
    await served.post(PLUG_IN, {**OUTLET, "ev": {"fault": "diode"}})

    await until(lambda: served.station.evses[1].runner.state.faulted)
    faults = (await served.evse())["faults"]
    assert [(fault["error_code"], fault["info"]) for fault in faults] == [
        ("EVCommunicationError", "vehicle: diode")
    ]


async def test_a_vehicle_pauses_goes_on_and_leaves(served: Served) -> None:
    await served.charge()
    await until(lambda: served.station.evses[1].runner.state.ev_ready)

    states = []
    for path in ("suspend", "resume"):
        assert (await served.post(f"/v1/ev/{path}", OUTLET)).status == 202
        states.append((await served.evse())["charging_state"])
    assert (await served.post("/v1/ev/plug-out", OUTLET)).status == 202

    assert states == ["SuspendedEV", "Charging"]
    assert (await served.evse())["plugged"] is False


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        (PLUG_IN, {"evse": 3, "connector": 1}, 404, "no EVSE 3, there are 1, 2"),
        (PLUG_IN, {"evse": 0, "connector": 1}, 404, "no EVSE 0"),
        (PLUG_IN, {"evse": 2, "connector": 3}, 404, "no connector 3 at EVSE 2, there are 1 to 2"),
        (PLUG_IN, {"evse": 1, "connector": 0}, 404, "no connector 0"),
        ("/v1/ev/plug-out", OUTLET, 409, "EVSE 1 has no vehicle"),
        ("/v1/ev/suspend", OUTLET, 409, "EVSE 1 has no vehicle"),
        ("/v1/ev/resume", OUTLET, 409, "EVSE 1 has no vehicle"),
        ("/v1/ev/plug-out", {"evse": 9, "connector": 1}, 404, "no EVSE 9"),
        ("/v1/token", {"id_token": "A", "evses": [1, 7]}, 404, "no EVSE 7"),
        ("/v1/contract", {"evse": 7, "chain": ""}, 404, "no EVSE 7"),
        ("/v1/contract", {"evse": 1, "chain": "a card"}, 409, "no certificate in PEM"),
        ("/v1/fault/raise", {"evse": 5}, 404, "no EVSE 5"),
        ("/v1/fault/raise", {"evse": 1, "connector": 2}, 404, "no connector 2"),
        ("/v1/fault/clear", {"evse": 5}, 404, "no EVSE 5"),
    ],
)
async def test_what_does_not_exist_or_cannot_be_now_is_refused_with_the_reason(
    served: Served, path: str, body: Any, status: int, says: str
) -> None:
    answer = await served.post(path, body)

    assert answer.status == status
    assert says in answer.json()["error"]


async def test_a_second_vehicle_does_not_fit(served: Served) -> None:
    await served.post(PLUG_IN, {"evse": 2, "connector": 2})

    again = await served.post(PLUG_IN, {"evse": 2, "connector": 1})
    elsewhere = await served.post("/v1/ev/plug-out", {"evse": 2, "connector": 1})

    assert (again.status, again.json()["error"]) == (409, "EVSE 2 has a vehicle already")
    assert elsewhere.status == 409
    assert "connector 2" in elsewhere.json()["error"]


WHOLE: list[tuple[str, Any]] = [
    ("/v1/token", {"id_token": "04A1B2C3D4"}),
    ("/v1/token", {"id_token": "04A1B2C3D4", "evses": [1]}),
    ("/v1/contract", {"evse": 1, "chain": "x"}),
    ("/v1/fault/raise", {}),
    ("/v1/fault/clear", {}),
    ("/v1/network/disconnect", {}),
    ("/v1/network/connect", {}),
]


async def test_real_hardware_cannot_be_driven(tmp_path: Path) -> None:
    async with serve(tmp_path, real=True) as served:
        driven = [await served.post(path, OUTLET) for path in DRIVEN]
        whole = [await served.post(path, body) for path, body in WHOLE]

        assert {answer.status for answer in driven + whole} == {409}
        assert all("real hardware" in answer.json()["error"] for answer in driven + whole)
        assert "local.drive_real_hardware" in whole[0].json()["error"]
        assert not served.station.faults
        assert served.link.state == "connected"
        assert served.station.evses[1].runner.state.stage == "available"


async def test_the_config_can_let_a_station_with_real_hardware_be_driven(tmp_path: Path) -> None:
    async with serve(tmp_path, real=True, drive=True) as served:
        driven = {(await served.post(path, OUTLET)).status for path in DRIVEN}
        token = await served.post("/v1/token", {"id_token": "04A1B2C3D4"})
        fault = await served.post("/v1/fault/raise", {})
        network = await served.post("/v1/network/disconnect", {})

        assert driven == {409}  # these outlets have no means for it
        assert (token.status, fault.status, network.status) == (202, 202, 202)
        await until(lambda: bool(served.station.faults))


async def test_a_board_that_could_be_driven_is_not_unless_it_is_simulated(tmp_path: Path) -> None:
    async with serve(tmp_path) as served:
        runner = served.station.evses[1].runner
        simulated = runner.outlet

        class Rig:
            """A bench of the maker's: it offers what a simulated outlet does, and is real."""

            def __init__(self) -> None:
                for name in ("plug_in", "plug_out", "suspend", "resume", "fault"):
                    setattr(self, name, getattr(simulated, name))

            def __getattr__(self, name: str) -> Any:
                return getattr(simulated, name)

        assert isinstance(Rig(), Driveable)
        runner.outlet = Rig()  # type: ignore[assignment]
        answers = [await served.post(path, OUTLET) for path in DRIVEN]
        other = await served.post(PLUG_IN, {"evse": 2, "connector": 1})

        assert {answer.status for answer in answers} == {409}
        assert other.status == 202


ITEM = {"id_token": "1234", "type": "PIN"}
BAD_FIELDS: list[tuple[str, Any, str, str, str]] = [  # path, body; where, found, allowed
    (PLUG_IN, {}, "evse", "nothing", "a whole number"),
    (PLUG_IN, {"evse": "1"}, "evse", '"1"', "a whole number"),
    (PLUG_IN, {"evse": True}, "evse", "true", "a whole number"),
    (PLUG_IN, {"evse": 1.5}, "evse", "1.5", "a whole number"),
    (
        PLUG_IN,
        {"evse": 1, "Ev": {}},
        "Ev",
        "an unknown field",
        "an object with evse, connector, ev",
    ),
    (PLUG_IN, [], "", "a list", "an object with evse, connector, ev"),
    (PLUG_IN, {"evse": 1, "ev": 7}, "ev", "7", "an object with ready_after_s"),
    (PLUG_IN, {"evse": 1, "ev": {"power": 7}}, "ev.power", "an unknown field", "power_w"),
    (PLUG_IN, {"evse": 1, "ev": {"power_w": -1}}, "ev.power_w", "-1", "from 0 to 1e+06"),
    (PLUG_IN, {"evse": 1, "ev": {"phases": 4}}, "ev.phases", "4", "1, 2, 3"),
    (PLUG_IN, {"evse": 1, "ev": {"unplug_after_s": "9"}}, "ev.unplug_after_s", '"9"', "or null"),
    (PLUG_IN, {"evse": 1, "ev": {"fault": ""}}, "ev.fault", '""', "1 to 40 characters, or null"),
    ("/v1/ev/plug-out", {"evse": 1, "ev": {}}, "ev", "an unknown field", "evse, connector"),
    ("/v1/ev/suspend", {"connector": 1}, "evse", "nothing", "a whole number"),
    ("/v1/ev/resume", {"evse": None}, "evse", "null", "a whole number"),
    ("/v1/token", {}, "id_token", "nothing", "text of 0 to 36 characters"),
    ("/v1/token", {"id_token": ""}, "id_token", "an empty text", "1 to 36"),
    ("/v1/token", {"id_token": 7}, "id_token", "7", "text"),
    ("/v1/token", {"id_token": "A", "type": "RFID"}, "type", '"RFID"', "ISO14443, ISO15693"),
    ("/v1/token", {"id_token": "A", "evses": [1, "2"]}, "evses[1]", '"2"', "a whole number"),
    ("/v1/token", {"id_token": "A", "evses": 1}, "evses", "1", "a list, each of it a whole"),
    (
        "/v1/token",
        {"id_token": "A", "additional": [{"id_token": "B"}]},
        "additional[0].type",
        "nothing",
        "text",
    ),
    ("/v1/token", {"id_token": "A", "additional": [ITEM] * 6}, "additional", "a list", "at most 5"),
    ("/v1/fault/raise", {"error_code": "Boom"}, "error_code", '"Boom"', "GroundFailure"),
    ("/v1/fault/raise", {"error_code": "NoError"}, "error_code", '"NoError"', "OtherError"),
    ("/v1/fault/clear", {"info": "x" * 51}, "info", '"xxx', "text of 0 to 50 characters"),
    ("/v1/fault/raise", {"connector": 1}, "connector", "no evse beside it", "evse as well"),
    ("/v1/network/disconnect", {"now": True}, "now", "an unknown field", "no fields"),
    ("/v1/network/connect", {"now": True}, "now", "an unknown field", "no fields"),
]


@pytest.mark.parametrize("case", BAD_FIELDS)
async def test_a_field_that_does_not_fit_is_named_with_what_is_allowed(
    served: Served, case: tuple[str, Any, str, str, str]
) -> None:
    path, body, where, found, allowed = case

    answer = await served.post(path, body)

    told = answer.json()
    assert answer.status == 422
    assert (told["path"], told["found"][: len(found)]) == (where, found)
    assert allowed in told["allowed"]
    assert told["error"] == f"{where or 'body'}: found {told['found']}, allowed: {told['allowed']}"


@pytest.mark.parametrize(
    "body",
    [
        {"id_token": "SECRET" * 7},
        {"id_token": ["SECRET"]},
        ["SECRET"],
        {"id_token": "A", "additional": "SECRET"},
        {"id_token": "A", "additional": [{"id_token": "SECRET" * 7, "type": "PIN"}]},
        {"id_token": "A", "evses": {"id_token": "SECRET"}},
    ],
)
async def test_a_token_that_does_not_fit_is_not_repeated(served: Served, body: Any) -> None:
    answer = await served.post("/v1/token", body)

    assert answer.status == 422
    assert "SECRET" not in answer.body


@pytest.mark.parametrize(
    "body",
    [
        b'{"evse": 1, "ev": {"phases": 9}, "ev": {}}',
        b'{"evse": 1, "ev": {"phases": 9}, "ev": 7}',
        b'{"evse": 1, "ev": {"phases": 9}, "ev": null}',
    ],
)
async def test_a_body_with_a_field_twice_is_refused(served: Served, body: bytes) -> None:
    answer = await served.ask("POST", PLUG_IN, raw=body)

    assert answer.status == 422
    assert "there twice" in answer.body


@pytest.mark.parametrize("body", [b'{"evse": 1', b'{"evs": 1, "connector": x', b'{"evs": 1}}'])
async def test_a_body_that_is_no_json_is_refused(served: Served, body: bytes) -> None:
    answer = await served.ask("POST", PLUG_IN, raw=body)

    assert answer.status == 422
    assert "defect" not in answer.body


async def test_a_token_begins_and_ends_a_session(served: Served) -> None:
    transaction_id = await served.charge()
    await until(lambda: served.station.evses[1].runner.state.ev_ready)
    running = (await served.evse())["transaction"]

    await served.post("/v1/token", {"id_token": "04a1b2c3d4", "type": "ISO14443", "evses": [1]})

    await until(lambda: not served.station.evses[1].runner.state.busy)
    assert (running["transaction_id"], running["token"]) == (transaction_id, "***D4")
    assert (await served.get(f"/v1/transactions/{transaction_id}"))["reason"] == "Local"


async def test_a_token_does_not_wait_for_the_csms(served: Served) -> None:
    await served.post(PLUG_IN, OUTLET)

    answer = await served.post("/v1/token", {"id_token": "04A1B2C3"})

    assert answer.status == 202
    assert served.session.asked == ["04A1B2C3"]
    assert (await served.evse())["stage"] == "plugged"


async def test_a_token_presented_at_one_reader_counts_there(served: Served) -> None:
    served.session.answers.set()
    await served.post(PLUG_IN, OUTLET)

    await served.post("/v1/token", {"id_token": "04A1B2C3", "evses": [2]})

    await until(lambda: served.station.evses[2].runner.state.authorization is not None)
    assert (await served.evse(1))["stage"] == "plugged"


async def test_a_contract_is_asked_about_by_its_id(served: Served) -> None:
    operator = root("MO Root")
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    now = datetime.now(UTC) - timedelta(days=1)
    chain = pem(operator.issue("DE8ACC12E46L89", key, start=now))
    served.station.model.set(Address.parse("ISO15118Ctrlr.PnCEnabled"), "true")
    served.session.answers.set()
    await served.post(PLUG_IN, OUTLET)

    answer = await served.post("/v1/contract", {"evse": 1, "chain": chain})

    assert answer.status == 202
    await until(lambda: served.station.evses[1].runner.state.busy)
    assert served.session.asked == ["DE8ACC12E46L89"]


async def test_a_start_button_needs_no_token(served: Served) -> None:
    await served.post(PLUG_IN, OUTLET)

    await served.post("/v1/token", {"id_token": "", "type": "NoAuthorization"})

    await until(lambda: served.station.evses[1].runner.state.transaction is not None)
    assert served.session.asked == []


async def test_stimuli_wait_for_no_meter_and_keep_their_order(served: Served) -> None:
    transaction_id = await served.charge()
    served.meters[1].gate.clear()

    async with asyncio.timeout(2):
        answers = [
            await served.post("/v1/ev/plug-out", OUTLET),
            await served.post(PLUG_IN, OUTLET),
            await served.post("/v1/fault/raise", OUTLET),
            await served.post("/v1/ev/plug-out", OUTLET),
            await served.post("/v1/fault/clear", OUTLET),
        ]
        closing = (await served.evse())["stage"]
    async with served.station.told.listen() as told:
        served.meters[1].gate.set()
        words: list[str] = []
        async with asyncio.timeout(5):
            while "Faulted" not in words or words[-1] != "Available":
                happened = await told.get()
                words += [happened.about["status"]] if happened.kind == "status" else []

    assert [answer.status for answer in answers] == [202] * 5
    assert closing == "closing"
    assert words == ["Available", "Preparing", "Faulted", "Available"]
    records = await served.get(f"/v1/transactions/{transaction_id}/records")
    assert len(records["records"]) == 1


async def test_a_fault_comes_and_goes(served: Served) -> None:
    body = {**OUTLET, "error_code": "GroundFailure", "vendor_error_code": "X7", "info": "wet"}

    raised = await served.post("/v1/fault/raise", body)
    broken = await served.evse()
    cleared = await served.post("/v1/fault/clear", body)
    whole = await served.evse()

    assert (raised.status, cleared.status) == (202, 202)
    assert broken["faults"] == [
        {
            "error_code": "GroundFailure",
            "vendor_error_code": "X7",
            "info": "wet",
            "blocks": True,
        }
    ]
    assert broken["connectors"][0]["status"] == "Faulted"
    assert (whole["faults"], whole["connectors"][0]["status"]) == ([], "Available")


async def test_a_fault_without_an_evse_concerns_the_station(served: Served) -> None:
    await served.post("/v1/fault/raise", {"error_code": "InternalError"})
    broken = await served.get("/v1/status")
    await served.post("/v1/fault/clear", {"error_code": "InternalError"})
    whole = await served.get("/v1/status")

    assert broken["status"] == "Faulted"
    assert [fault["error_code"] for fault in broken["faults"]] == ["InternalError"]
    assert [evse["connectors"][0]["status"] for evse in broken["evses"]] == ["Faulted"] * 2
    assert (whole["status"], whole["faults"]) == ("Available", [])


async def test_the_network_goes_and_comes_back(served: Served) -> None:
    answers = [
        await served.post("/v1/network/disconnect", {}),
        await served.post("/v1/network/connect"),
    ]

    assert [answer.status for answer in answers] == [202, 202]
    assert served.link.asked == ["disconnect", "connect"]
