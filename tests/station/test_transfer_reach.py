"""Where transfers may lead: local addresses, names, redirects, against real servers on loopback."""

import socket
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from fake_clock import FakeClock
from file_servers import ftp_server, http_server, server_tls
from loopback import LOOPBACK

from chargepoint.core.reach import Reach
from chargepoint.core.transfer import Attempts, Scheme
from chargepoint.errors import Refused
from chargepoint.station.transfer import Transfer, TransferFailed, Trust

IMAGE = bytes(range(256)) * 1000
FIRST_ONLY = Reach((ip_network("127.0.0.1/32"),))


def transfer(reach: Reach = LOOPBACK, **more: Any) -> Transfer:
    return Transfer(FakeClock(), Trust(reach=reach, **more))


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]"])
@pytest.mark.parametrize("scheme", ["http", "https", "ftp", "ftps"])
def test_a_local_address_is_refused_at_once(scheme: str, host: str) -> None:
    with pytest.raises(Refused, match="local address") as refused:
        transfer(Reach()).location(f"{scheme}://{host}/fw.bin")

    assert refused.value.reason == "InvalidURL"


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.1"])
@pytest.mark.parametrize("serve", [http_server, ftp_server])
async def test_a_name_that_leads_to_this_machine_is_not_followed(
    serve: Any, host: str, tmp_path: Path
) -> None:
    async with serve() as server:
        server.files["/fw.bin"] = IMAGE
        (tmp_path / "log").write_bytes(IMAGE)
        wary = transfer(Reach())
        place = wary.location(f"{server.url.replace('127.0.0.1', host)}/fw.bin")

        with pytest.raises(TransferFailed):
            await wary.download(place, tmp_path / "fw", 10**6)
        with pytest.raises(TransferFailed):
            await wary.upload(place, tmp_path / "log", Attempts())

        assert not server.seen
        assert not (tmp_path / "fw").exists()


@pytest.mark.parametrize("serve", [http_server, ftp_server])
async def test_of_several_addresses_of_a_name_only_a_permitted_one_is_used(
    serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def two(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if host != "files.example":
            return real(host, port, *more, **options)
        return [*real("127.0.0.2", port, **options), *real("127.0.0.1", port, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    async with serve() as server:
        server.files["/fw.bin"] = IMAGE
        able, wary = transfer(FIRST_ONLY), transfer(Reach((ip_network("127.0.0.3/32"),)))
        address = f"{server.url.replace('127.0.0.1', 'files.example')}/fw.bin"

        with pytest.raises(TransferFailed, match="local address"):
            await wary.download(wary.location(address), tmp_path / "fw", 10**6)
        assert not server.seen
        await able.download(able.location(address), tmp_path / "fw", 10**6)

    assert (tmp_path / "fw").read_bytes() == IMAGE


async def test_a_redirect_is_followed_to_where_one_may_go(tmp_path: Path) -> None:
    async with http_server() as server:
        server.files["/there/fw.bin"] = IMAGE
        server.moves |= {"/fw.bin": "/next?x=1", "/next": f"{server.url}/there/fw.bin"}
        able = transfer()

        await able.download(able.location(f"{server.url}/fw.bin"), tmp_path / "fw", 10**6)

        assert server.seen == ["GET /fw.bin", "GET /next?x=1", "GET /there/fw.bin"]
    assert (tmp_path / "fw").read_bytes() == IMAGE


@pytest.mark.parametrize("host", ["127.0.0.2", "2130706434"])
async def test_a_redirect_to_a_local_address_is_not_followed(host: str, tmp_path: Path) -> None:
    async with http_server() as server, http_server(host="127.0.0.2") as inner:
        inner.files["/secret"] = IMAGE
        server.moves["/fw.bin"] = f"{inner.url.replace('127.0.0.2', host)}/secret"
        wary = transfer(FIRST_ONLY)

        with pytest.raises(TransferFailed):
            await wary.download(wary.location(f"{server.url}/fw.bin"), tmp_path / "fw", 10**6)

        assert server.seen == ["GET /fw.bin"]
        assert not inner.seen


@pytest.mark.parametrize("where", ["ftp://127.0.0.1/x", "file:///etc/passwd", "http://["])
async def test_a_redirect_out_of_http_is_none(where: str, tmp_path: Path) -> None:
    async with http_server() as server:
        server.moves["/fw.bin"] = where
        able = transfer()

        with pytest.raises(TransferFailed, match="redirected to an address that is not allowed"):
            await able.download(able.location(f"{server.url}/fw.bin"), tmp_path / "fw", 10**6)


async def test_a_redirect_may_lead_to_https_but_not_back(tmp_path: Path) -> None:
    tls, ca_file = server_tls(tmp_path)
    async with http_server() as plain, http_server(tls) as secure:
        plain.files["/other"] = secure.files["/fw.bin"] = IMAGE
        plain.moves["/fw.bin"] = f"{secure.url}/fw.bin"
        secure.moves["/other"] = f"{plain.url}/other"
        able = transfer(ca_file=ca_file)

        await able.download(able.location(f"{plain.url}/fw.bin"), tmp_path / "fw", 10**6)
        with pytest.raises(TransferFailed, match="not allowed"):
            await able.download(able.location(f"{secure.url}/other"), tmp_path / "no", 10**6)

        assert plain.seen == ["GET /fw.bin"]
    assert (tmp_path / "fw").read_bytes() == IMAGE


async def test_credentials_stay_with_whom_they_are_for(tmp_path: Path) -> None:
    async with http_server() as server, http_server() as other:
        other.files["/fw.bin"] = IMAGE
        server.moves |= {"/fw.bin": "/again", "/again": f"{other.url}/fw.bin"}
        able = transfer()
        address = server.url.replace("//", "//me:hush@")

        await able.download(able.location(f"{address}/fw.bin"), tmp_path / "fw", 10**6)

        assert [bool(login) for login in server.logins] == [True, True]
        assert other.logins == [""]


async def test_redirects_come_to_an_end(tmp_path: Path) -> None:
    async with http_server() as server:
        server.moves["/fw.bin"] = "/fw.bin"
        able = transfer()

        with pytest.raises(TransferFailed, match="too often"):
            await able.download(able.location(f"{server.url}/fw.bin"), tmp_path / "fw", 10**6)

        assert len(server.seen) == 6


async def test_an_upload_follows_no_redirect(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(IMAGE)
    async with http_server() as server:
        server.moves["/log"] = "/other"
        able = transfer()

        with pytest.raises(TransferFailed, match="302"):
            await able.upload(able.location(f"{server.url}/log"), tmp_path / "log", Attempts())

        assert server.seen == ["PUT /log"]
        assert not server.files


async def test_ftp_data_goes_where_the_connection_went(tmp_path: Path) -> None:
    async with ftp_server() as server:
        server.files["/fw.bin"] = IMAGE
        server.data_host = "127.0.0.9"
        able = transfer(FIRST_ONLY)

        await able.download(able.location(f"{server.url}/fw.bin"), tmp_path / "fw", 10**6)

    assert (tmp_path / "fw").read_bytes() == IMAGE


async def test_only_schemes_of_the_config_are_used(tmp_path: Path) -> None:
    tls, ca_file = server_tls(tmp_path)
    async with http_server() as plain, http_server(tls) as secure:
        secure.files["/fw.bin"] = IMAGE
        plain.moves["/fw.bin"] = f"{secure.url}/fw.bin"
        only = transfer(ca_file=ca_file, schemes=frozenset({Scheme.HTTPS}))

        assert only.schemes == {Scheme.HTTPS}
        for address in (plain.url, "ftp://127.0.0.1/", "sftp://127.0.0.1/"):
            with pytest.raises(Refused):
                only.location(f"{address}/fw.bin")
        await only.download(only.location(f"{secure.url}/fw.bin"), tmp_path / "fw", 10**6)

    assert (tmp_path / "fw").read_bytes() == IMAGE
