"""How much a transfer may cost: size, time, disk, memory, against real servers on loopback."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_clock import FakeClock
from file_servers import ftp_server, http_server
from loopback import LOOPBACK

from chargepoint.core.transfer import Attempts
from chargepoint.station import transfer as transfers
from chargepoint.station import transfer_ftp, transfer_http
from chargepoint.station.transfer import SPARE_BYTES, Partial, Transfer, TransferFailed, Trust

IMAGE = bytes(range(256)) * 1000
QUICK_S = 0.2


@pytest.fixture
def transfer() -> Transfer:
    return Transfer(FakeClock(), Trust(reach=LOOPBACK))


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the disk says is free."""
    usage = SimpleNamespace(free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    return usage


def left(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


@asynccontextmanager
async def saying(*lines: bytes) -> AsyncIterator[str]:
    """A server that says this to everybody, whatever it is asked; gives HOST:PORT."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            for line in lines:
                writer.write(line)
            await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("serve", [http_server, ftp_server])
async def test_a_size_that_nobody_declared_is_bounded_too(
    serve: Any, transfer: Transfer, tmp_path: Path
) -> None:
    async with serve() as server:
        server.files["/fw.bin"] = IMAGE
        server.declared = False
        place = transfer.location(f"{server.url}/fw.bin")

        with pytest.raises(TransferFailed, match="larger than 1000 bytes"):
            await transfer.download(place, tmp_path / "fw", 1000)
        await transfer.download(place, tmp_path / "fw", len(IMAGE))

    assert left(tmp_path) == ["fw"]


@pytest.mark.parametrize("serve", [http_server, ftp_server])
async def test_a_transfer_comes_to_an_end_however_slow_the_server(
    serve: Any, transfer: Transfer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers, "TOTAL_TIMEOUT_S", QUICK_S)
    (tmp_path / "log").write_bytes(IMAGE)
    async with serve() as server:
        server.files["/fw.bin"] = IMAGE
        server.gate.clear()
        place = transfer.location(f"{server.url}/fw.bin")

        with pytest.raises(TransferFailed, match=r"not done within 0\.2 s"):
            await transfer.download(place, tmp_path / "fw", 10**6)
        if serve is http_server:  # an FTP server takes what it is sent at once
            with pytest.raises(TransferFailed, match=r"not done within 0\.2 s"):
                await transfer.upload(place, tmp_path / "log", Attempts())

    assert left(tmp_path) == ["log"]


@pytest.mark.parametrize(
    ("serve", "module"), [(http_server, transfer_http), (ftp_server, transfer_ftp)]
)
async def test_a_server_that_falls_silent_is_left(
    serve: Any, module: Any, transfer: Transfer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IDLE_TIMEOUT_S", QUICK_S)
    async with serve() as server:
        server.files["/fw.bin"] = IMAGE
        server.gate.clear()

        with pytest.raises(TransferFailed):
            await transfer.download(
                transfer.location(f"{server.url}/fw.bin"), tmp_path / "fw", 10**6
            )

    assert not left(tmp_path)


async def test_an_ftp_server_that_never_stops_talking_is_left(
    transfer: Transfer, tmp_path: Path
) -> None:
    async with saying(*[b"220-and another thing\r\n"] * 2000) as where:
        with pytest.raises(TransferFailed, match="does not speak FTP"):
            await transfer.download(
                transfer.location(f"ftp://{where}/fw.bin"), tmp_path / "fw", 10**6
            )


async def test_a_file_is_only_asked_for_if_it_can_be_kept(
    transfer: Transfer, free: SimpleNamespace, tmp_path: Path
) -> None:
    async with http_server() as server:
        server.files["/fw.bin"] = IMAGE
        place = transfer.location(f"{server.url}/fw.bin")

        free.free = SPARE_BYTES
        with pytest.raises(TransferFailed, match="free on the disk"):
            await transfer.download(place, tmp_path / "fw", 10**6)
        assert not server.seen
        free.free = SPARE_BYTES + 1000
        with pytest.raises(TransferFailed, match=f"{len(IMAGE)} bytes, allowed 1000"):
            await transfer.download(place, tmp_path / "fw", 10**6)

    assert not left(tmp_path)


async def test_what_is_there_of_a_file_needs_no_room_again(
    transfer: Transfer, free: SimpleNamespace, tmp_path: Path
) -> None:
    async with http_server() as server:
        server.files["/fw.bin"] = IMAGE
        server.breaks.append(1000)
        place, so_far = transfer.location(f"{server.url}/fw.bin"), Partial()
        with pytest.raises(TransferFailed):
            await transfer.download(place, tmp_path / "fw", 10**6, so_far)

        free.free = SPARE_BYTES + len(IMAGE) - 1000
        await transfer.download(place, tmp_path / "fw", 10**6, so_far)

    assert (tmp_path / "fw").read_bytes() == IMAGE


async def test_a_part_that_nobody_asked_for_is_not_taken(
    transfer: Transfer, tmp_path: Path
) -> None:
    part = (
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/4\r\nContent-Length: 4\r\n\r\n"
    )
    async with saying(part, b"evil") as where:
        (tmp_path / "fw.part").write_bytes(b"good")
        place = transfer.location(f"http://{where}/fw.bin")

        with pytest.raises(TransferFailed, match="only the whole"):
            await transfer.download(place, tmp_path / "fw", 10**6, Partial())


async def test_what_a_server_says_cannot_colour_the_log(
    transfer: Transfer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with saying(b"HTTP/1.1 404 \x9b31mred\x85" + b"x" * 500 + b"\r\n\r\n") as where:
        with pytest.raises(TransferFailed) as failed:
            await transfer.download(
                transfer.location(f"http://{where}/fw.bin"), tmp_path / "fw", 10**6
            )

    assert str(failed.value).isprintable()
    assert len(str(failed.value)) < 100
    assert "red" in caplog.text


async def test_a_download_goes_through_no_link_and_is_nobody_elses_to_read(
    transfer: Transfer, tmp_path: Path
) -> None:
    (tmp_path / "precious").write_bytes(b"keep")
    folder = tmp_path / "folder"
    folder.mkdir()
    async with http_server() as server:
        server.files["/fw.bin"] = IMAGE
        place = transfer.location(f"{server.url}/fw.bin")
        (folder / "fw.part").symlink_to(tmp_path / "precious")

        with pytest.raises(TransferFailed):
            await transfer.download(place, folder / "fw", 10**6)
        (folder / "fw").symlink_to(tmp_path / "precious")
        await transfer.download(place, folder / "fw", 10**6)

    assert (tmp_path / "precious").read_bytes() == b"keep"
    assert (folder / "fw").read_bytes() == IMAGE
    assert not (folder / "fw").is_symlink()
    assert (folder / "fw").stat().st_mode & 0o777 == 0o600


async def test_an_upload_is_bounded(
    transfer: Transfer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "log").write_bytes(IMAGE)
    monkeypatch.setattr(transfers, "UPLOAD_MOST", len(IMAGE) - 1)
    async with http_server() as server:
        with pytest.raises(TransferFailed, match=f"{len(IMAGE)} bytes, allowed"):
            await transfer.upload(
                transfer.location(f"{server.url}/log"), tmp_path / "log", Attempts(3)
            )

        assert not server.seen
