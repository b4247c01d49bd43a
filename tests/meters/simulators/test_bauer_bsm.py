"""The simulated BSM-WS36A on its own: map, snapshots, records, clock, power cuts, state on disk."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from meters.simulators.bauer_bsm import BauerBsm, Settings, create, snapshot
from meters.simulators.bauer_bsm.layout import Status, Type
from meters.simulators.bauer_bsm.snapshot import Snapshot
from meters.simulators.catalog import load_simulator
from meters.simulators.faults import Fault, FaultKind
from meters.simulators.refusal import NoReply, Refusal

SERIAL = "001BZR1521070006"
TEXTS = (
    b"contract-id: rfid:12345678abcdef",
    b"evse-id: DE*BDO*E8025334492*2",
    b"csc-sw-version: v1.2.34",
)
# Published by the vendor's partner: a snapshot, its signature and records of the same meter.
KEY = (
    "3059301306072a8648ce3d020106082a8648ce3d030107034200044bfd02c1d85272ceea9977db26d72cc401d9e560"
    "2faeee7ec7b6b62f9c0cce34ad8d345d5ac0e8f65deb5ff0bb402b1b87926bd1b7fc2dbc3a9774e8e70c7254"
)
SHOT = Snapshot(
    kind=Type.CURRENT, reference=15, total=10_000, scale=1, watts=0, watts_scale=1, address=SERIAL,
    count=4278, seconds=519_624, epoch=1_657_267_609, zone=120, set_count=3139, set_seconds=519_219,
    texts=TEXTS,
)  # fmt: skip
SIGNATURE = (
    "3045022100c72ce46d0c5810427eeefdfb477a5444aaac8e403b83017eed840f8eb3bc311302207136629f96464773"
    "456895a330165154df038d91f61656c0a7f8607ee06c68b2"
)
PAYLOAD = (
    '{"FV":"1.0","GI":"BAUER Electronic BSM-WS36A-H01-1311-0000","GS":"001BZR1521070006","GV":'
    '"1.9:32CA:AFF4, f1d3d06","PG":"T4278","MV":"BAUER Electronic","MM":"BSM-WS36A-H01-1311-0000",'
    '"MS":"001BZR1521070006","IS":true,"IT":"UNDEFINED","ID":"contract-id: rfid:12345678abcdef",'
    '"X2":"evse-id: DE*BDO*E8025334492*2","X3":"csc-sw-version: v1.2.34","RD":[{"TM":"2022-07-08T10'
    ':06:49,000+0200 S","TX":"C","RV":0.15,"RI":"1-0:1.8.0*198","RU":"kWh","XV":100.00,"XI":"1-0:1.'
    '8.0*255","XU":"kWh","XT":0,"RT":"AC","EF":"","ST":"G"}]}'
)
OLDER = (
    '{"FV":"1.0","GI":"BAUER Electronic BSM-WS36A-H01-1311-0000","GS":"001BZR1521070006","GV":'
    '"1.9:32CA:AFF4, 6d1dd3c-dirty","PG":"T3","MV":"BAUER Electronic","MM":"BSM-WS36A-H01-1311-0000'
    '","MS":"001BZR1521070006","IS":true,"IT":"UNDEFINED","ID":"contract-id: rfid:12345678abcdef",'
    '"RD":[{"TM":"2021-10-07T15:38:05,000+0200 S","TX":"E","RV":0,"RI":"1-0:1.8.0*198","RU":"Wh",'
    '"XV":76040,"XI":"1-0:1.8.0*255","XU":"Wh","XT":4,"RT":"AC","EF":"Et","ST":"E"}]}'
)
CURRENT, TURN_ON, TURN_OFF, START, END = 40524, 40778, 41032, 41286, 41540


def meter(clock: Any, **changes: Any) -> BauerBsm:
    plain = {"boot_delay_s": 0.0, "signing_delay_s": 0.0, "key_seed": "test"}
    return create(Settings(**{**plain, **changes}), monotonic=clock)


def words(text: bytes, count: int) -> list[int]:
    data = text.ljust(2 * count, b"\0")
    return [int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2)]


def data_at(device: BauerBsm, address: int, count: int) -> bytes:
    found: tuple[int, ...] = ()
    while len(found) < count:
        found += device.read(address + len(found), min(125, count - len(found)))
    return b"".join(word.to_bytes(2, "big") for word in found)


def record_at(device: BauerBsm, address: int) -> dict[str, Any]:
    """The payload of a record that verifies."""
    _, payload, seal = data_at(device, address + 4, 496).rstrip(b"\0").split(b"|")
    check(device.public_key, bytes.fromhex(json.loads(seal)["SD"]), payload)
    content: dict[str, Any] = json.loads(payload)
    return content


def check(key: str, signature: bytes, signed: bytes) -> None:
    public = load_der_public_key(bytes.fromhex(key))
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signature, signed, ec.ECDSA(SHA256()))


def test_what_is_signed_of_a_snapshot_is_what_a_real_meter_signs() -> None:
    signed = snapshot.signed_bytes(SHOT)

    assert bytes.fromhex("00002710011E") in signed
    check(KEY, bytes.fromhex(SIGNATURE), signed)


def test_the_records_of_real_meters_are_reproduced_byte_for_byte() -> None:
    older = Snapshot(
        kind=Type.END, reference=0, total=7604, scale=1, watts=0, address=SERIAL, count=3,
        seconds=0, epoch=1_633_613_885, zone=120, set_count=0, set_seconds=0, texts=TEXTS,
        events=1 << 19,
    )  # fmt: skip
    dialect = Settings(dialect="Wh", module_version="6d1dd3c-dirty")

    assert snapshot.payload(Settings(), SHOT).decode() == PAYLOAD
    assert snapshot.payload(dialect, older).decode() == OLDER


def test_the_chain_of_models_ends_where_it_should(clock: Any) -> None:
    device = meter(clock)
    assert data_at(device, 40000, 2) == b"SunS"
    found, at = [], 40002
    while (header := device.read(at, 2))[0] != 0xFFFF:
        found.append((at, *header))
        at += 2 + header[1]

    assert found == [
        (40002, 1, 66), (40070, 10, 4), (40076, 17, 12), (40090, 203, 105), (40197, 64900, 300),
        (40499, 64902, 20), (40521, 64901, 252), (40775, 64901, 252), (41029, 64901, 252),
        (41283, 64901, 252), (41537, 64901, 252), (41791, 64903, 498), (42291, 64903, 498),
        (42791, 64903, 498), (43291, 64903, 498), (43791, 64903, 498),
    ]  # fmt: skip
    with pytest.raises(Refusal, match="exception 02"):
        device.read(44293, 1)
    with pytest.raises(Refusal, match="exception 02"):
        device.read(39999, 1)
    with pytest.raises(Refusal, match="exception 03"):
        device.read(40000, 126)


def test_a_snapshot_is_taken_signed_and_counted(clock: Any) -> None:
    device = meter(clock, begin_energy_wh=99850, begin_page=4277, signing_delay_s=1.0)
    device.write(40260, [0x62C7, 0xE599, 120])
    device.write(40279, words(TEXTS[0], 70) + words(TEXTS[1], 50))
    device.write(40399, words(TEXTS[2], 50))
    before = device.read(START, 1)
    device.write(START, [2])
    busy = device.read(START, 1)
    clock.pass_by(1)
    shot = device.read(41285, 32)

    assert (before, busy) == ((Status.INVALID,), (Status.UPDATING,))
    assert shot[:2] == (Type.START, Status.VALID)
    assert shot[4:7] == (0, 9985, 1)  # imported, in tens of Wh
    assert shot[17:19] == (0, 4278)
    assert shot[21:24] == (0x62C7, 0xE59A, 120)
    assert data_at(device, 41283 + 32, 70).rstrip(b"\0") == TEXTS[0]
    assert device.read(40256, 2) == (0, 4278)
    (size,) = device.read(41283 + 205, 1)
    held = device._slots[Type.START].shot
    assert held is not None
    check(device.public_key, data_at(device, 41283 + 206, 48)[:size], snapshot.signed_bytes(held))
    payload = record_at(device, 43291)
    assert payload["PG"] == "T4278"
    assert payload["ID"] == TEXTS[0].decode()
    assert payload["RD"][0]["XV"] == 99.85


def test_turning_on_and_off_counts_from_zero_and_switches(clock: Any) -> None:
    device = meter(clock, begin_energy_wh=1000)
    device.set_load(36_000)
    clock.pass_by(10)
    device.write(TURN_ON, [2])
    on = device.read(TURN_ON, 1) + device.read(40268, 1)
    clock.pass_by(15)
    device.write(TURN_OFF, [2])
    off = device.read(TURN_OFF, 1) + device.read(40268, 1)

    assert on == (Status.VALID, 1)
    assert off == (Status.VALID, 0)
    assert [record_at(device, at)["RD"][0]["RV"] for at in (42291, 42791)] == [0.00, 0.15]


@pytest.mark.parametrize(
    ("changes", "register", "status"),
    [
        ({"enable_input": False}, TURN_ON, Status.NOT_ENABLED),
        ({"contactor_feedback": False}, TURN_ON, Status.WRONG_FEEDBACK),
        ({"contactor_feedback": False}, TURN_OFF, Status.WRONG_FEEDBACK),
        ({"enable_input": False, "contactor_feedback": False}, START, Status.VALID),
    ],
)
def test_what_stands_in_the_way_of_switching(
    clock: Any, changes: dict[str, Any], register: int, status: Status
) -> None:
    device = meter(clock, **changes)
    device.write(register, [2])

    assert device.read(register, 1) == (status,)
    assert device.read(40256, 2) == (0, int(status is Status.VALID))


@pytest.mark.parametrize("register", [41794, 40052, 40451, 41283, 40256])
def test_writes_to_what_can_only_be_read_are_ignored(clock: Any, register: int) -> None:
    device = meter(clock)
    before = device.read(register, 1)
    device.write(register, [2])

    assert device.read(register, 1) == before


def test_a_record_may_be_signed_again_when_it_is_read_again(clock: Any) -> None:
    found = []
    for fresh in (False, True):
        device = meter(clock, fresh_signatures=fresh)
        device.write(CURRENT, [2])
        found.append(
            len(
                {
                    data_at(device, 41795, 125)
                    + data_at(device, 41920, 125)
                    + data_at(device, 42045, 125)
                    for _ in range(3)
                }
            )
            == 1
        )
        record_at(device, 41791) if not fresh else None

    assert found == [True, False]


def test_the_clock_needs_both_at_first_and_counts_settings_only(clock: Any) -> None:
    device = meter(clock)

    def state() -> tuple[int, ...]:
        return device.read(40260, 3) + device.read(40263, 2)

    unset = state()
    device.write(40260, [0x5FEE, 0xE490])
    still = state()
    device.write(40260, [0x5FEE, 0xE490, 60])
    first = state()
    clock.pass_by(86_400)
    device.write(40260, [0x5FF0, 0x3610])
    renewed = state()
    device.write(40262, [120])
    moved = state()
    device.write(40260, [0x5FF0, 0x3700])
    stepped = state()
    clock.pass_by(48 * 3600 + 1)
    lost = state()

    assert unset == still == (0xFFFF, 0xFFFF, 0x8000, 0, 0)
    assert first == (0x5FEE, 0xE490, 60, 0, 1)
    assert renewed == (0x5FF0, 0x3610, 60, 0, 1)
    assert moved == (0x5FF0, 0x3610, 120, 0, 2)
    assert stepped == (0x5FF0, 0x3700, 120, 0, 3)
    assert lost == (0xFFFF, 0xFFFF, 0x8000, 0, 3)


def test_a_record_without_time_says_so(clock: Any) -> None:
    device = meter(clock)
    device.write(CURRENT, [2])

    assert record_at(device, 41791)["RD"][0]["TM"] == "1970-01-01T00:00:00,000+0000 U"


@pytest.mark.parametrize("keeps", [False, True])
def test_what_a_power_cut_leaves(clock: Any, keeps: bool) -> None:  # noqa: FBT001
    device = meter(clock, keeps_texts=keeps)
    device.write(40260, [0x5FEE, 0xE490, 60])
    device.write(40399, words(b"<=>4711#0", 50))
    device.write(START, [2])
    device.read(START, 1)
    device.reboot()

    assert device.read(START, 1) == (Status.INVALID,)
    assert device.read(40260, 2) == (0xFFFF, 0xFFFF)
    assert device.read(40256, 2) == (0, 1)
    assert (data_at(device, 40399, 50).rstrip(b"\0") == b"<=>4711#0") is keeps
    assert device.status()["transactions"] == {"4711": {"B": 1}}


def test_a_kill_loses_no_energy_and_no_count(clock: Any, state_file: Path) -> None:
    first = meter(clock, state_file=state_file, key_seed=None, begin_energy_wh=1000)
    first.set_load(Decimal(36_000))
    first.write(CURRENT, [2])
    clock.pass_by(10)
    first.tick()
    second = meter(clock, state_file=state_file, key_seed=None)
    second.write(CURRENT, [2])

    assert second.public_key == first.public_key
    payload = record_at(second, 41791)
    assert (payload["PG"], payload["RD"][0]["XV"]) == ("T2", 1.1)
    assert state_file.stat().st_mode & 0o777 == 0o600


def test_faults_and_silence_inside(clock: Any) -> None:
    device = meter(clock, signing_delay_s=1.0, silent_while_signing=True)
    device.faults.add(Fault(kind=FaultKind.CORRUPTED, count=1))
    device.faults.add(Fault(kind=FaultKind.SLOW_READY, value=3000, count=1))
    device.write(START, [2])
    for _ in range(2):
        with pytest.raises(NoReply):
            device.read(START, 1)
        clock.pass_by(1.5)

    assert device.read(START, 1) == (Status.FAILED,)


def test_the_simulator_is_found_by_its_name() -> None:
    found = load_simulator("bauer_bsm")

    assert (found.DRIVER, found.TRANSPORT) == ("bauer_bsm", "modbus")
    device = found.create(msgspec.convert(found.QUICK, found.Settings))
    assert device.status()["serial_number"] == SERIAL


def test_time_does_not_stand_still() -> None:
    with pytest.raises(ValueError, match="time lapse 0, must be above 0"):
        Settings(time_lapse=Decimal(0))
