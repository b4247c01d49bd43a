"""Files travel over HTTP(S) and FTP(S), against real servers on loopback."""

import asyncio
import errno
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from fake_clock import FakeClock
from file_servers import ftp_server, http_server, server_tls
from loopback import LOOPBACK
from station_bench import until

from chargepoint.core.transfer import Attempts, Trouble
from chargepoint.station import transfer_ftp
from chargepoint.station.transfer import Partial, Transfer, TransferFailed, Trust, empty

IMAGE = bytes(range(256)) * 1000
ONCE = Attempts()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def transfer(clock: FakeClock) -> Transfer:
    return Transfer(clock, Trust(reach=LOOPBACK))


def left(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


@asynccontextmanager
async def talking(*answers: bytes) -> AsyncIterator[str]:
    """A server that says these in turn, whatever it is asked; gives its URL."""
    waiting = list(answers)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(waiting.pop(0))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_file_comes_over_http(transfer: Transfer, tmp_path: Path) -> None:
    async with http_server() as server:
        server.files["/fw.bin"] = IMAGE

        place = transfer.location(f"{server.url}/fw.bin?version=2")
        await transfer.download(place, tmp_path / "fw", 10**6)

        assert (tmp_path / "fw").read_bytes() == IMAGE
        assert server.seen == ["GET /fw.bin?version=2"]


async def test_a_file_comes_over_ftp(transfer: Transfer, tmp_path: Path) -> None:
    async with ftp_server() as server:
        server.files["/a b/fw.bin"] = IMAGE
        server.login = ("me", "p@ss")
        place = transfer.location(f"{server.url.replace('//', '//me:p%40ss@')}/a%20b/fw.bin")

        await transfer.download(place, tmp_path / "fw", 10**6)

        assert (tmp_path / "fw").read_bytes() == IMAGE


@pytest.mark.parametrize("scheme", ["https", "ftps"])
async def test_an_encrypted_way_checks_the_certificate(
    scheme: str, clock: FakeClock, tmp_path: Path
) -> None:
    tls, ca_file = server_tls(tmp_path)
    serve = http_server if scheme == "https" else ftp_server
    async with serve(tls) as server:
        server.files["/fw.bin"] = IMAGE
        trusting = Transfer(clock, Trust(ca_file, reach=LOOPBACK))
        wary = Transfer(clock, Trust(reach=LOOPBACK))
        place = trusting.location(f"{server.url}/fw.bin")

        await trusting.download(place, tmp_path / "fw", 10**6)
        with pytest.raises(TransferFailed, match="certificate"):
            await wary.download(place, tmp_path / "other", 10**6)

        assert (tmp_path / "fw").read_bytes() == IMAGE
        assert not (tmp_path / "other").exists()


async def test_ftps_on_its_old_port_begins_with_tls(
    clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, ca_file = server_tls(tmp_path)
    async with ftp_server(tls, implicit=True) as server:
        transfer = Transfer(clock, Trust(ca_file, reach=LOOPBACK))
        place = transfer.location(f"{server.url}/log/")
        monkeypatch.setattr(transfer_ftp, "_IMPLICIT", place.port)
        (tmp_path / "log.tar.gz").write_bytes(IMAGE)

        await transfer.upload(place, tmp_path / "log.tar.gz", ONCE)

        assert server.files == {"/log/log.tar.gz": IMAGE}


@pytest.mark.parametrize(
    ("path", "arrives"),
    [("/up/", "/up/log.tar.gz"), ("/up/x.gz", "/up/x.gz"), ("/", "/log.tar.gz")],
)
@pytest.mark.parametrize("serve", [http_server, ftp_server])
async def test_a_file_is_put_where_the_address_says(
    serve: type, path: str, arrives: str, transfer: Transfer, tmp_path: Path
) -> None:
    (tmp_path / "log.tar.gz").write_bytes(IMAGE)
    async with serve() as server:
        await transfer.upload(transfer.location(server.url + path), tmp_path / "log.tar.gz", ONCE)

        assert server.files == {arrives: IMAGE}


async def test_an_ftp_folder_needs_no_slash(transfer: Transfer, tmp_path: Path) -> None:
    (tmp_path / "log.tar.gz").write_bytes(IMAGE)
    async with ftp_server() as server:
        server.folders.add("/logs")

        place = transfer.location(f"{server.url}/logs")
        await transfer.upload(place, tmp_path / "log.tar.gz", ONCE)

        assert server.files == {"/logs/log.tar.gz": IMAGE}


async def test_a_server_without_put_gets_a_post(transfer: Transfer, tmp_path: Path) -> None:
    (tmp_path / "log.tar.gz").write_bytes(IMAGE)
    async with http_server() as server:
        server.methods = ("POST",)

        await transfer.upload(transfer.location(f"{server.url}/up"), tmp_path / "log.tar.gz", ONCE)

        assert server.seen == ["PUT /up", "POST /up"]
        assert server.files == {"/up": IMAGE}


@pytest.mark.parametrize(
    ("status", "trouble"),
    [(404, Trouble.FAILED), (403, Trouble.DENIED), (400, Trouble.UNFIT), (500, Trouble.FAILED)],
)
async def test_http_says_what_went_wrong(
    status: int, trouble: Trouble, transfer: Transfer, tmp_path: Path
) -> None:
    (tmp_path / "log").write_bytes(IMAGE)
    async with http_server() as server:
        server.always = status

        with pytest.raises(TransferFailed) as failed:
            await transfer.upload(transfer.location(f"{server.url}/"), tmp_path / "log", ONCE)

        assert failed.value.trouble is trouble


@pytest.mark.parametrize(
    "status", ["101 Switching Protocols", 201, 202, 203, 204, 205, 206, 207, 299, 304, 399, 600]
)
async def test_only_200_brings_a_file(
    status: str | int, transfer: Transfer, tmp_path: Path
) -> None:
    said = f"HTTP/1.1 {status}\r\nContent-Length: 5\r\nUpgrade: x\r\n\r\nhello".encode()
    async with talking(said) as url:
        place = transfer.location(f"{url}/fw")

        with pytest.raises(TransferFailed):
            await transfer.download(place, tmp_path / "fw", 1000)

        assert left(tmp_path) == []


async def test_a_file_whose_end_nobody_can_know_is_none(transfer: Transfer, tmp_path: Path) -> None:
    async with talking(b"HTTP/1.1 200 OK\r\n\r\nhello") as url:
        with pytest.raises(TransferFailed, match="where the file ends"):
            await transfer.download(transfer.location(f"{url}/fw"), tmp_path / "fw", 1000)

        assert left(tmp_path) == []


@pytest.mark.parametrize("status", ["101 Switching Protocols", 206, 304, 600])
async def test_a_file_is_put_only_if_the_server_says_so(
    status: str | int, transfer: Transfer, tmp_path: Path
) -> None:
    (tmp_path / "log").write_bytes(b"log")
    async with talking(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()) as url:
        with pytest.raises(TransferFailed):
            await transfer.upload(transfer.location(f"{url}/log"), tmp_path / "log", ONCE)


async def test_a_rest_that_is_shorter_than_announced_is_not_the_file(
    transfer: Transfer, tmp_path: Path
) -> None:
    begin = b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 9\r\n\r\nhello'
    rest = b'HTTP/1.1 206 OK\r\nETag: "1"\r\nContent-Range: bytes 5-8/9\r\n\r\nwo'
    async with talking(begin, rest) as url:
        place, so_far = transfer.location(f"{url}/fw"), Partial()

        with pytest.raises(TransferFailed):
            await transfer.download(place, tmp_path / "fw", 1000, so_far)
        with pytest.raises(TransferFailed, match="7 bytes came, announced were 9"):
            await transfer.download(place, tmp_path / "fw", 1000, so_far)

        assert not (tmp_path / "fw").exists()


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        (550, Trouble.DENIED),
        (501, Trouble.UNFIT),
        (502, Trouble.UNSUPPORTED),
        (450, Trouble.FAILED),
    ],
)
async def test_ftp_says_what_went_wrong(
    code: int, trouble: Trouble, transfer: Transfer, tmp_path: Path
) -> None:
    (tmp_path / "log").write_bytes(IMAGE)
    async with ftp_server() as server:
        server.always = code

        with pytest.raises(TransferFailed) as failed:
            await transfer.upload(transfer.location(f"{server.url}/"), tmp_path / "log", ONCE)

        assert failed.value.trouble is trouble


@pytest.mark.parametrize("serve", [http_server, ftp_server])
async def test_a_file_that_is_too_large_leaves_nothing_behind(
    serve: type, transfer: Transfer, tmp_path: Path
) -> None:
    async with serve() as server:
        server.files["/fw.bin"] = IMAGE

        place = transfer.location(f"{server.url}/fw.bin")
        with pytest.raises(TransferFailed):
            await transfer.download(place, tmp_path / "fw", 1000)

        assert left(tmp_path) == []


async def test_a_failed_attempt_is_repeated_after_the_interval(
    transfer: Transfer, clock: FakeClock, tmp_path: Path
) -> None:
    async with http_server() as server:
        (tmp_path / "log").write_bytes(IMAGE)
        server.failures.extend([500, 500])
        place = transfer.location(f"{server.url}/log")
        task = asyncio.create_task(
            transfer.upload(place, tmp_path / "log", Attempts(2, timedelta(seconds=30)))
        )

        await until(lambda: clock.sleeping == 1)
        await clock.advance(29)
        assert len(server.seen) == 1
        await clock.advance(1)
        await until(lambda: clock.sleeping == 1)
        await clock.advance(30)
        await task

        assert server.files == {"/log": IMAGE}


async def test_what_broke_off_goes_on_where_it_was(transfer: Transfer, tmp_path: Path) -> None:
    async with http_server() as server:
        server.files["/fw.bin"] = IMAGE
        server.breaks.extend([1000, 2000])
        place, so_far = transfer.location(f"{server.url}/fw.bin"), Partial()

        for _ in range(2):
            with pytest.raises(TransferFailed) as failed:
                await transfer.download(place, tmp_path / "fw", len(IMAGE), so_far)
            assert failed.value.begun
        await transfer.download(place, tmp_path / "fw", len(IMAGE), so_far)

        assert (tmp_path / "fw").read_bytes() == IMAGE
        assert server.ranges == ["", "bytes=1000-", "bytes=3000-"]


@pytest.mark.parametrize("tag", ['"2"', 'W/"1"', ""])
async def test_another_version_of_a_file_begins_anew(
    tag: str, transfer: Transfer, tmp_path: Path
) -> None:
    async with http_server() as server:
        server.files["/fw.bin"] = IMAGE
        server.breaks.append(1000)
        server.tag = '"1"' if tag == '"2"' else tag
        place, so_far = transfer.location(f"{server.url}/fw.bin"), Partial()
        with pytest.raises(TransferFailed):
            await transfer.download(place, tmp_path / "fw", 10**6, so_far)

        server.files["/fw.bin"] = IMAGE[::-1]
        server.tag = tag
        await transfer.download(place, tmp_path / "fw", 10**6, so_far)

        assert (tmp_path / "fw").read_bytes() == IMAGE[::-1]


@pytest.mark.parametrize(
    "lie", ["bytes 0-9/10", "bytes 1000-1999/256000", "bytes 1000-255999/*", "bytes 1000-", "416"]
)
async def test_a_server_that_gives_no_rest_is_asked_for_the_whole(
    lie: str, transfer: Transfer, tmp_path: Path
) -> None:
    async with http_server() as server:
        server.files["/fw.bin"] = IMAGE
        server.breaks.append(1000)
        place, so_far = transfer.location(f"{server.url}/fw.bin"), Partial()
        with pytest.raises(TransferFailed):
            await transfer.download(place, tmp_path / "fw", 10**6, so_far)
        server.lie = lie
        with pytest.raises(TransferFailed, match="only the whole"):
            await transfer.download(place, tmp_path / "fw", 10**6, so_far)

        await transfer.download(place, tmp_path / "fw", 10**6, so_far)

        assert (tmp_path / "fw").read_bytes() == IMAGE


@pytest.mark.parametrize(
    "said",
    [
        b"220 hell\xf6\r\n",
        b"220 a\r\n\r\x1b[\r\n",
        b"220 a\r\n230 b\r\n200 c\r\n213 many\r\n",
        b"220 a\r\n230 b\r\n200 c\r\n500 d\r\n229 (|||port|)\r\n",
        b"220 a\r\n230 b\r\n200 c\r\n500 d\r\n229 (|||99999|)\r\n",
    ],
)
async def test_what_is_no_answer_of_ftp_is_a_failure(
    said: bytes, transfer: Transfer, tmp_path: Path
) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        place = transfer.location(f"ftp://127.0.0.1:{port}/fw")

        with pytest.raises(TransferFailed) as failed:
            await transfer.download(place, tmp_path / "fw", 1000)

    assert str(failed.value).isprintable()


@pytest.mark.parametrize("most", [10, 1500])
async def test_the_rest_may_not_be_too_much_either(
    most: int, transfer: Transfer, tmp_path: Path
) -> None:
    async with http_server() as server:
        server.files["/fw.bin"] = IMAGE
        server.breaks.append(1000)
        place, so_far = transfer.location(f"{server.url}/fw.bin"), Partial()
        with pytest.raises(TransferFailed):
            await transfer.download(place, tmp_path / "fw", 10**6, so_far)

        with pytest.raises(TransferFailed, match=f"{len(IMAGE)} bytes, allowed {most}"):
            await transfer.download(place, tmp_path / "fw", most, so_far)


@pytest.mark.parametrize("serve", [http_server, ftp_server])
async def test_a_cancelled_transfer_ends_at_once_and_leaves_nothing(
    serve: type, transfer: Transfer, tmp_path: Path
) -> None:
    async with serve() as server:
        server.files["/fw.bin"] = IMAGE
        server.gate.clear()
        place = transfer.location(f"{server.url}/fw.bin")
        task = asyncio.create_task(transfer.download(place, tmp_path / "fw", 10**6))
        await until(lambda: server.waiting == 1)

        task.cancel()
        with suppress(asyncio.CancelledError):
            async with asyncio.timeout(2):
                await task

        assert task.cancelled()
        assert left(tmp_path) == []


async def test_no_password_reaches_the_log(
    transfer: Transfer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for serve in (http_server, ftp_server):
        async with serve() as server:
            server.login = ("me", "other")
            address = server.url.replace("//", "//me:hush-hush@")
            place = transfer.location(f"{address}/fw.bin?token=hush-too")

            with pytest.raises(TransferFailed) as failed:
                await transfer.download(place, tmp_path / "fw", 10**6)

            assert "hush" not in f"{place!r} {failed.value} {caplog.text}"
            assert failed.value.trouble is Trouble.DENIED


@pytest.mark.parametrize("scheme", ["http", "https", "ftp", "ftps"])
@pytest.mark.parametrize("host", ["a..b", "a" * 64])
async def test_a_host_that_cannot_be_asked_for_is_a_failure(
    scheme: str, host: str, transfer: Transfer, tmp_path: Path
) -> None:
    place = transfer.location(f"{scheme}://{host}/fw")

    with pytest.raises(TransferFailed):
        await transfer.download(place, tmp_path / "fw", 1000)


@pytest.mark.parametrize("header", [b'ETag: "a\x01"', b"Location: http://a..b/"])
async def test_a_header_that_cannot_be_used_is_a_failure(
    header: bytes, transfer: Transfer, tmp_path: Path
) -> None:
    status = b"302 Found" if header.startswith(b"Location") else b"200 OK"

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 " + status + b"\r\nContent-Length: 9\r\n" + header + b"\r\n\r\nhello"
        )
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        place = transfer.location(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/fw")
        so_far = Partial()

        for _ in range(2):
            with pytest.raises(TransferFailed):
                await transfer.download(place, tmp_path / "fw", 1000, so_far)


async def test_nobody_listens(transfer: Transfer, tmp_path: Path) -> None:
    for scheme in ("http", "ftp"):
        place = transfer.location(f"{scheme}://127.0.0.1:1/fw.bin")
        with pytest.raises(TransferFailed):
            await transfer.download(place, tmp_path / "fw", 10**6)


def test_a_left_over_that_the_disk_keeps_is_said_and_the_others_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.tar.gz", "b.tar.gz", "c.tar.gz"):
        (tmp_path / name).touch()
    real = Path.unlink

    def refuse(path: Path, **given: bool) -> None:
        if path.name == "b.tar.gz":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        real(path, **given)

    monkeypatch.setattr(Path, "unlink", refuse)

    empty(tmp_path)

    assert left(tmp_path) == ["b.tar.gz"]
    assert "b.tar.gz stays on the disk: Read-only file system" in caplog.text
