"""Files travel over SFTP, against a real server on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from fake_clock import FakeClock
from loopback import LOOPBACK

from chargepoint.core.reach import Reach
from chargepoint.core.transfer import Attempts, Scheme, Trouble
from chargepoint.station.transfer import Transfer, TransferFailed, Trust

IMAGE = bytes(range(256)) * 1000


class _Server(asyncssh.SSHServer):
    def begin_auth(self, _user: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, user: str, password: str) -> bool:
        return (user, password) == ("me", "right")


@asynccontextmanager
async def sftp_server(folder: Path, hosts: Path) -> AsyncIterator[int]:
    """Serves ``folder``; its key is then among the known hosts. Gives the port."""
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - a test
    key = asyncssh.generate_private_key("ssh-ed25519")

    def sftp(channel: Any) -> asyncssh.SFTPServer:
        return asyncssh.SFTPServer(channel, chroot=str(folder).encode())

    async with asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[key], server_factory=_Server, sftp_factory=sftp
    ) as server:
        port = server.get_port()
        public = key.export_public_key().decode().strip()
        hosts.write_text(f"[127.0.0.1]:{port},[localhost]:{port} {public}")  # noqa: ASYNC240
        yield port


def transfer(hosts: Path, reach: Reach = LOOPBACK) -> Transfer:
    return Transfer(FakeClock(), Trust(known_hosts=hosts, reach=reach))


async def test_a_file_travels_over_sftp_to_a_known_host_only(tmp_path: Path) -> None:
    far, near, hosts = tmp_path / "far", tmp_path / "near", tmp_path / "hosts"
    near.mkdir()
    assert Scheme.SFTP not in transfer(hosts).schemes
    async with sftp_server(far, hosts) as port:
        (far / "fw.bin").write_bytes(IMAGE)
        able = transfer(hosts)
        address = f"sftp://me:right@127.0.0.1:{port}"

        await able.download(able.location(f"{address}/fw.bin"), near / "fw", 10**6)
        await able.upload(able.location(f"{address}/"), near / "fw", Attempts())
        wrong = able.location(f"{address.replace('right', 'wrong')}/fw.bin")
        with pytest.raises(TransferFailed) as denied:
            await able.download(wrong, near / "no", 10**6)
        hosts.write_text("")
        with pytest.raises(TransferFailed):
            await able.download(able.location(f"{address}/x"), near / "no", 10)

    assert (far / "fw").read_bytes() == (near / "fw").read_bytes() == IMAGE
    assert denied.value.trouble is Trouble.DENIED
    assert [file.name for file in near.iterdir()] == ["fw"]


async def test_a_file_that_is_too_large_leaves_nothing_behind(tmp_path: Path) -> None:
    far, near, hosts = tmp_path / "far", tmp_path / "near", tmp_path / "hosts"
    near.mkdir()
    async with sftp_server(far, hosts) as port:
        (far / "fw.bin").write_bytes(IMAGE)
        able = transfer(hosts)
        place = able.location(f"sftp://me:right@127.0.0.1:{port}/fw.bin")

        with pytest.raises(TransferFailed, match=f"{len(IMAGE)} bytes, allowed 1000"):
            await able.download(place, near / "fw", 1000)

    assert not list(near.iterdir())


async def test_a_name_that_leads_to_this_machine_is_not_followed(tmp_path: Path) -> None:
    far, hosts = tmp_path / "far", tmp_path / "hosts"
    async with sftp_server(far, hosts) as port:
        wary = transfer(hosts, Reach())

        with pytest.raises(TransferFailed, match="local address"):
            await wary.download(
                wary.location(f"sftp://me:right@localhost:{port}/fw.bin"), tmp_path / "fw", 1000
            )
