"""The simulated WM3M4C on its own: registers, commands, records, power cuts, state on disk."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from meters.simulators.catalog import load_simulator
from meters.simulators.faults import Fault, FaultKind
from meters.simulators.iskra_wm3m4 import IskraWm3m4, Settings, create
from meters.simulators.iskra_wm3m4.layout import State, Status
from meters.simulators.refusal import Refusal

REAL = (
    '{"FV":"1.0","GI":"eSystemsMtg OcppChargePoint_v0 ESY-00101.01.2201234567","GS":"000007","GV":'
    '"PWR P0037","PG":"T241","MV":"Iskra","MM":"WM3M4C","MS":"W4155775","MF":"2.05","IS":true,"IT":'
    '"UNDEFINED","ID":"0480423a4b5880","CT":"CBIDC","CI":"KHStation","RD":[{"TM":"2023-04-14T11:51:'
    '06,000+0000 S","TX":"B","RV":80.77,"RI":"1-b:1.8.0","RU":"kWh","RT":"AC","EF":"t","ST":"G"},{"'
    'TM":"2023-04-14T11:54:43,000+0000 S","TX":"E","RV":80.97,"RI":"1-b:1.8.0","RU":"kWh","RT":"AC"'
    ',"EF":"t","ST":"G"}]}'
)
DATA_SET = {
    "FV": "1.0", "GI": "", "GS": "", "GV": "", "PG": "", "MV": "", "MM": "", "MS": "", "MF": "",
    "IS": True, "IF": [], "IT": "NONE", "ID": "<=>4711", "CT": "EVSEID", "CI": "", "RD": [],
}  # fmt: skip
BEGIN, END = ord("B") << 8, ord("r") << 8


def meter(clock: Any, **changes: Any) -> IskraWm3m4:
    plain = {"boot_delay_s": 0.0, "signing_delay_s": 0.0, "key_seed": "test"}
    return create(Settings(**{**plain, **changes}), monotonic=clock)


def put(device: IskraWm3m4, data: bytes) -> None:
    words = [int.from_bytes(data[at : at + 2].ljust(2, b"\0")) for at in range(0, len(data), 2)]
    for at in range(0, len(words), 120):
        device.write(7100 + at, words[at : at + 120])
    device.write(7056, [len(data)])


def prepare(device: IskraWm3m4, fields: dict[str, Any] | None = None, unix: int = 1) -> None:
    device.write(7053, [0])
    device.write(7054, [unix >> 16, unix & 0xFFFF])
    device.write(7071, [2])
    put(device, json.dumps(fields or DATA_SET, separators=(",", ":")).encode())


def data_at(device: IskraWm3m4, address: int, size: int) -> bytes:
    words: tuple[int, ...] = ()
    count = -(-size // 2)
    while len(words) < count:
        part = min(120, count - len(words))
        words = (*words, *device.read(address + len(words), part))
    return b"".join(word.to_bytes(2, "big") for word in words)[:size]


def output(device: IskraWm3m4) -> tuple[str, bytes]:
    text, signature = device.read(7057, 2)
    return data_at(device, 7612, text).decode(), data_at(device, 8188, signature)


def check(device: IskraWm3m4, text: str, signature: bytes) -> None:
    public = load_der_public_key(bytes.fromhex(device.public_key))
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signature, text.encode(), ec.ECDSA(SHA256()))


def test_the_record_of_a_real_meter_is_reproduced_byte_for_byte(clock: Any) -> None:
    device = meter(clock, begin_energy_wh=80770, begin_page=239, error_flags="t")
    fields = {**json.loads(REAL), "RD": []}
    prepare(device, fields | dict.fromkeys(("PG", "MV", "MM", "MS", "MF"), ""), 1681473066)
    device.set_load(Decimal(200 * 3600) / 217)
    device.write(7051, [BEGIN])
    device.read(7052, 1)
    clock.pass_by(217)
    device.write(7051, [END])
    text, signature = output(device)

    assert text == REAL
    check(device, text, signature)
    assert data_at(device, 8124, 64) == bytes.fromhex(device.public_key)[-64:]


def test_a_command_signs_one_reading_and_r_both(clock: Any) -> None:
    device = meter(clock)
    prepare(device)
    causes = []
    for letter in "BCXTSfr":
        device.write(7051, [ord(letter) << 8])
        text, signature = output(device)
        check(device, text, signature)
        causes.append([reading["TX"] for reading in json.loads(text)["RD"]])

    assert causes == [["B"], ["C"], ["X"], ["T"], ["S"], ["f"], ["B", "E"]]
    assert device.status()["transactions"] == {
        "4711": {"B": 1, "C": 1, "X": 1, "T": 1, "S": 1, "f": 1, "E": 1}
    }


@pytest.mark.parametrize("letter", ["E", "L", "R", "A", "P"])
def test_an_end_by_its_reason_signs_the_end_alone(clock: Any, letter: str) -> None:
    device = meter(clock)
    prepare(device)
    device.write(7051, [BEGIN])
    device.write(7051, [ord(letter) << 8])
    text, _ = output(device)

    assert [reading["TX"] for reading in json.loads(text)["RD"]] == [letter]
    assert device.state is State.IDLE


@pytest.mark.parametrize(
    ("command", "state", "status"),
    [
        (END, "idle", Status.INVALID_STATE),
        (BEGIN, "active", Status.INVALID_STATE),
        (0x5A00, "idle", Status.INVALID_COMMAND),
        (BEGIN, "no clock", Status.INVALID_TIME),
        (BEGIN, "no data set", Status.INVALID_SIZE),
        (BEGIN, "blanks", Status.INVALID_FORMAT),
        (BEGIN, "order", Status.INVALID_FORMAT),
        (BEGIN, "no json", Status.INVALID_FORMAT),
        (BEGIN, "error", Status.TEST_MODE),
    ],
)
def test_what_does_not_fit_is_refused_in_the_status(
    clock: Any, command: int, state: str, status: Status
) -> None:
    device = meter(clock, in_error=state == "error")
    prepare(device)
    match state:
        case "active":
            device.write(7051, [BEGIN])
        case "no clock":
            device.write(7071, [0])
        case "no data set":
            device.write(7056, [0])
        case "blanks":
            put(device, json.dumps(DATA_SET).encode())
        case "order":
            put(
                device, json.dumps(dict(reversed(DATA_SET.items())), separators=(",", ":")).encode()
            )
        case "no json":
            put(device, b"{")
    device.write(7051, [command])

    assert device.read(7052, 1) == (status,)
    assert device.state is (State.ACTIVE if state == "active" else State.IDLE)


def test_a_text_that_does_not_fit_the_output_is_not_signed(clock: Any) -> None:
    device = meter(clock)
    prepare(device, {**DATA_SET, "GI": "x" * 760})
    device.write(7051, [BEGIN])

    assert device.read(7052, 1) == (Status.INVALID_SIZE,)


def test_signing_takes_its_time_and_the_old_status_shows_first(clock: Any) -> None:
    device = meter(clock, signing_delay_s=0.9, old_status_s=0.1)
    prepare(device)
    device.write(7051, [BEGIN])
    seen = [device.read(7052, 1)[0]]
    for _ in range(2):
        clock.pass_by(0.5)
        seen += device.read(7052, 1)
    device.write(7051, [END])
    seen += device.read(7052, 1)
    clock.pass_by(0.2)
    seen += device.read(7052, 1)

    assert seen == [Status.IDLE, Status.SIGNING, Status.OK, Status.OK, Status.SIGNING]


@pytest.mark.parametrize(
    ("wakes_as", "expected"),
    [("after-power-failure", 2), ("after-reset", 3), ("idle", 0)],
)
@pytest.mark.parametrize("keeps", [False, True])
def test_what_a_power_cut_leaves(
    clock: Any,
    wakes_as: str,
    expected: int,
    keeps: bool,  # noqa: FBT001
) -> None:
    device = meter(clock, wakes_as=wakes_as, keeps_data_set=keeps)
    prepare(device)
    device.write(7051, [BEGIN])
    device.reboot()

    assert device.read(7000, 1) == (expected,)
    assert device.read(7071, 1) == (0,)
    assert device.read(7057, 2) == (0, 0)
    assert (device.read(7100, 1) == (0x7B22,)) is keeps


def test_a_transaction_goes_on_over_a_kill(clock: Any, state_file: Path) -> None:
    first = meter(clock, state_file=state_file, key_seed=None, begin_energy_wh=1000)
    prepare(first)
    first.set_load(3600)
    first.write(7051, [BEGIN])
    clock.pass_by(10)
    first.tick()
    second = meter(clock, state_file=state_file, key_seed=None)
    prepare(second)
    second.write(7051, [END])
    text, signature = output(second)

    assert second.public_key == first.public_key
    check(first, text, signature)
    assert [reading["RV"] for reading in json.loads(text)["RD"]] == [1.00, 1.01]
    assert json.loads(text)["PG"] == "T2"
    assert state_file.stat().st_mode & 0o777 == 0o600


def test_another_state_file_is_refused(clock: Any, state_file: Path) -> None:
    state_file.write_text('{"a": 1}')

    with pytest.raises(ValueError, match="not that of WM3M4C"):
        meter(clock, state_file=state_file)


def test_a_disk_that_takes_nothing_makes_the_command_fail(clock: Any, state_file: Path) -> None:
    folder = state_file.parent / "gone"
    folder.mkdir()
    device = meter(clock, state_file=folder / "meter.json")
    prepare(device)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    with pytest.raises(Refusal, match="exception 04"):
        device.write(7051, [BEGIN])

    assert device.memory.state is State.IDLE


def test_padded_and_base64_signatures(clock: Any) -> None:
    padded = meter(clock, padded_signature=True)
    plain = meter(clock)
    other = meter(clock, base64_at_power_up=True)
    found = []
    for device in (padded, plain, other):
        prepare(device)
        device.write(7051, [BEGIN])
        found.append(output(device))

    assert len(found[0][1]) == len(found[1][1]) + 2
    assert found[2][1][:1] == b"M"
    check(plain, *found[1])
    with pytest.raises(InvalidSignature):
        check(padded, *found[0])


def test_registers_that_are_not_there_or_too_many(clock: Any) -> None:
    device = meter(clock, gaps_readable=False)
    for address, count in ((113, 1), (6999, 1), (7001, 1), (8317, 1), (105, 9)):
        with pytest.raises(Refusal, match="exception 02"):
            device.read(address, count)
    with pytest.raises(Refusal, match="exception 03"):
        device.read(7100, 121)
    with pytest.raises(Refusal, match="exception 03"):
        device.write(7100, [0] * 121)
    with pytest.raises(Refusal, match="exception 02"):
        device.write(7000, [0])
    with pytest.raises(Refusal, match="exception 02"):
        meter(clock, model="WM3M4").read(7000, 1)


def test_faults_inside(clock: Any) -> None:
    device = meter(clock)
    prepare(device)
    device.faults.add(Fault(kind=FaultKind.CORRUPTED, count=1))
    device.write(7051, [BEGIN])
    status = device.read(7052, 1)
    device.faults.add(Fault(kind=FaultKind.VALUE, register=7000, value=9, count=1))

    assert status == (Status.SIGNATURE_ERROR,)
    assert device.read(7000, 1) == (9,)
    assert device.read(7000, 1) == (1,)


def test_silence_after_power_up(clock: Any) -> None:
    device = meter(clock, boot_delay_s=2.0)

    assert device.silent()
    clock.pass_by(2)
    assert not device.silent()


def test_the_simulator_is_found_by_its_name() -> None:
    found = load_simulator("iskra_wm3m4")

    assert (found.DRIVER, found.TRANSPORT) == ("iskra_wm3m4", "modbus")
    device = found.create(msgspec.convert(found.QUICK, found.Settings))
    assert device.status()["state"] == "IDLE"


def test_time_does_not_stand_still() -> None:
    with pytest.raises(ValueError, match="time lapse 0, must be above 0"):
        Settings(time_lapse=Decimal(0))
