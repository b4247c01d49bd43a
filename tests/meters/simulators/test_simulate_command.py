"""``chargepoint simulate em580`` as a process: killed in every state, stopped, and misused."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from pymodbus.client import ModbusSerialClient

from chargepoint.cli.simulate import simulate

PROGRAM = "from chargepoint.cli.simulate import simulate; simulate()"
B, E, CONFIRM = (0x7040, [ord("B")]), (0x7040, [ord("E")]), (0x7100, [0])
MARKED = (0x6900, [0x3C3D, 0x3E61, 0x6200])  # <=>ab


class Program:
    """The simulator in a process of its own, and pymodbus as its master."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._ready = folder / "ready.json"
        self._ready.unlink(missing_ok=True)
        base = ["--pty", str(folder / "tty"), "--state", str(folder / "meter.json")]
        base += ["--boot-delay", "0", "--ready-file", str(self._ready)]
        command = [sys.executable, "-c", PROGRAM, "em580", *base, *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.sentence = self.process.stdout.readline()
        while not self._ready.exists():
            assert self.process.poll() is None
            time.sleep(0.005)
        self.ready: dict[str, Any] = json.loads(self._ready.read_text())
        self.master = ModbusSerialClient(self.ready["where"], baudrate=115200, retries=0)
        assert self.master.connect()

    def read(self, address: int, count: int = 1) -> list[int]:
        reply = self.master.read_input_registers(address, count=count, device_id=1)
        assert not reply.isError(), reply
        return list(reply.registers)

    def write(self, address: int, words: list[int]) -> None:
        reply = self.master.write_registers(address, words, device_id=1)
        assert not reply.isError(), reply

    def record(self) -> str:
        (size,) = self.read(0x7101)
        words: list[int] = []
        while len(words) < size:
            words += self.read(0x7110 + len(words), min(125, size - len(words)))
        return b"".join(word.to_bytes(2, "big") for word in words).rstrip(b"\0").decode()

    def stop(self, number: int) -> int:
        self.master.close()
        self.process.send_signal(number)
        code = self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Any]:
    """Starts simulators on one state file and leaves none behind."""
    with ExitStack() as stack:

        def start(*options: str) -> Program:
            program = Program(tmp_path, *options)
            stack.callback(_end, program)
            return program

        yield start


def _end(program: Program) -> None:
    if program.process.poll() is None:
        program.stop(signal.SIGKILL)


def assert_authentic(record: str, program: Program) -> None:
    head, payload, signature = record.split("|")
    public = ec.EllipticCurvePublicKey.from_encoded_point(
        ec.BrainpoolP384R1(), bytes.fromhex(program.ready["units"]["1"]["public_key"])
    )
    public.verify(bytes.fromhex(json.loads(signature)["SD"]), payload.encode(), ec.ECDSA(SHA256()))
    assert head == "OCMF"


@pytest.mark.parametrize(
    ("orders", "signing_delay", "state", "reason"),
    [
        ([], "0", 0, None),
        ([MARKED, B], "0", 2, "P"),
        ([MARKED, B, E], "60", 2, "E"),  # killed while it signs
        ([MARKED, B, E], "0", 2, "E"),
        ([MARKED, B, E, CONFIRM], "0", 0, None),
    ],
)
def test_a_kill_in_each_state_loses_nothing(
    programs: Any,
    orders: list[tuple[int, list[int]]],
    signing_delay: str,
    state: int,
    reason: str | None,
) -> None:
    before = programs("--load", "3600000", "--signing-delay", signing_delay)
    for address, words in orders:
        before.write(address, words)
    shown = before.read(0x0500, 2)
    half = before.read(0x7110, 100) if before.read(0x7100) == [2] else None
    before.stop(signal.SIGKILL)

    after = programs()

    assert after.ready["units"] == before.ready["units"]
    assert after.read(0x7100) == [state]
    energy = after.read(0x0500, 2)
    assert energy[0] + (energy[1] << 16) >= shown[0] + (shown[1] << 16) > 0
    if half is not None:
        assert after.read(0x7110, 100) == half
    if reason is not None:
        record = after.record()
        assert_authentic(record, after)
        assert f'"TX":"{reason}"' in record
        assert '"TT":"<=>ab"' in record


def test_a_kill_in_the_middle_of_writes_keeps_what_was_acknowledged(programs: Any) -> None:
    before = programs()
    acknowledged = 0
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        before.write(0x7007, [acknowledged + 1])
        acknowledged += 1
    # One more is on its way when the kill comes; it may or may not have been carried out.
    os.write(before.master.socket.fileno(), b"\x01\x10\x70\x07\x00\x01\x02")
    before.stop(signal.SIGKILL)

    assert programs().read(0x7007) == [acknowledged]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_orderly(
    programs: Any, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    program = programs("--control", str(tmp_path / "control"), "--baudrate", "115200")
    fingerprint = program.sentence.split("key ")[1].split(";")[0]

    assert program.sentence.startswith(f"EM580 on {tmp_path}/tty: unit 1 serial KZ1660104001D")
    assert len(fingerprint) == 32
    assert program.stop(number) == code
    assert sorted(path.name for path in tmp_path.iterdir()) == ["meter.json"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "either --pty or --tcp"),
        (["--pty", "x", "--tcp", "localhost:0"], "either --pty or --tcp"),
        (["--tcp", "localhost"], "expected HOST:PORT"),
        (["--tcp", "localhost:99999"], "0 to 65535"),
        (["--pty", "x", "--unit", "0"], "1<=x<=247"),
        (["--pty", "x", "--unit", "3", "--unit", "3"], "each --unit once"),
        (["--pty", "x", "--unit", "3", "--unit", "4", "--serial-number", "A"], "once per --unit"),
        (["--pty", "x", "--serial-number", "12345678901234"], "at most 13"),
        (["--pty", "x", "--fault", "tired"], "tired"),
        (["--pty", "x", "--load", "much"], "no number"),
        (["--pty", "x", "--load", "NaN"], "fit the registers"),
        (["--pty", "x", "--time-lapse", "-1"], "above 0"),
        (["--pty", "missing/folder/x"], "No such file"),
        (["--pty", "x", "--state", "missing/folder/x"], "No such file"),
        (["--pty", "x", "--control", "missing/folder/x"], "No such file"),
        (["--pty", "x", "--control", "localhost:http"], "0 to 65535"),
        (["--pty", "x", "--ready-file", "missing/folder/x"], "No such file"),
    ],
)
def test_bad_input_is_a_sentence_and_exit_code_2(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(simulate, ["em580", *arguments])

    assert result.exit_code == 2
    assert sentence in result.output
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_state_file_of_something_else_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.write_text("{}")

    result = CliRunner().invoke(
        simulate, ["em580", "--pty", str(tmp_path / "tty"), "--state", str(state)]
    )

    assert result.exit_code == 2
    assert "not the state of an EM580" in result.output


def test_several_units_have_keys_serial_numbers_and_files_of_their_own(
    programs: Any, tmp_path: Path
) -> None:
    program = programs("--unit", "1", "--unit", "2", "--key-seed", "x", "--load", "-5")
    units = program.ready["units"]

    assert [units[unit]["serial_number"] for unit in "12"] == ["KZ1660104001D", "KZ1660104002D"]
    assert units["1"]["public_key"] != units["2"]["public_key"]
    assert {path.name for path in tmp_path.glob("meter*")} == {"meter-1.json", "meter-2.json"}
