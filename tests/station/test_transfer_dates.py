"""Dates of file servers' certificates by the station's clock: that of the machine is wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from file_servers import ftp_server, http_server, server_tls
from loopback import LOOPBACK

from chargepoint.clock import SystemClock
from chargepoint.core.transfer import ONCE
from chargepoint.station.transfer import Transfer, TransferFailed, Trust

# The machine that runs this is in none of these years; certificates of a test live for 27.
FROM = datetime(2051, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
IMAGE = bytes(range(256)) * 100
ways = pytest.mark.parametrize("serve", [http_server, ftp_server])


def station(ca_file: Path, now: datetime, *, provisional: bool = False) -> Transfer:
    clock = SystemClock()
    clock.correct(now - clock.now())
    clock.provisional = provisional
    return Transfer(clock, Trust(ca_file, reach=LOOPBACK))


@ways
@pytest.mark.parametrize(
    ("now", "provisional"), [(FROM + YEAR, False), (FROM + YEAR, True), (FROM - YEAR, True)]
)
async def test_what_is_valid_by_the_stations_clock_is_valid(
    serve: type, now: datetime, tmp_path: Path, *, provisional: bool
) -> None:
    tls, ca_file = server_tls(tmp_path, valid_from=FROM)
    (tmp_path / "log").write_bytes(IMAGE)
    async with serve(tls) as server:
        server.files["/fw.bin"] = IMAGE
        transfer = station(ca_file, now, provisional=provisional)
        place = transfer.location(f"{server.url}/fw.bin")

        await transfer.download(place, tmp_path / "fw", 10**6)
        await transfer.upload(transfer.location(f"{server.url}/log"), tmp_path / "log", ONCE)

        assert (tmp_path / "fw").read_bytes() == server.files["/log"] == IMAGE


@ways
@pytest.mark.parametrize(
    ("valid_from", "now", "provisional"),
    [
        (FROM, FROM - YEAR, False),
        (FROM, FROM + 30 * YEAR, False),
        (FROM, FROM + 30 * YEAR, True),
        (datetime(2020, 1, 1, tzinfo=UTC), FROM, False),  # by the machine's it would be valid
    ],
)
async def test_what_is_not_is_refused_before_a_word_is_said(
    serve: type, valid_from: datetime, now: datetime, tmp_path: Path, *, provisional: bool
) -> None:
    tls, ca_file = server_tls(tmp_path, valid_from=valid_from)
    (tmp_path / "log").write_bytes(IMAGE)
    async with serve(tls) as server:
        transfer = station(ca_file, now, provisional=provisional)
        place = transfer.location(f"{server.url.replace('//', '//me:secret@')}/fw.bin")

        with pytest.raises(TransferFailed, match="certificate is not trusted"):
            await transfer.download(place, tmp_path / "fw", 10**6)
        with pytest.raises(TransferFailed, match="certificate is not trusted"):
            await transfer.upload(place, tmp_path / "log", ONCE)

        assert server.logins == []
        assert set(server.seen) <= {"AUTH TLS"}
