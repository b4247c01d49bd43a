"""Dates of certificates by the station's clock, over real TLS: that of the machine is wrong."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pki import Authority, key_pem, pem, root
from websockets.asyncio.server import ServerConnection, serve

from chargepoint.clock import SystemClock
from chargepoint.csms.link import LinkConfig
from chargepoint.csms.opening import open_connection
from chargepoint.csms.outage import Cause, Outage
from chargepoint.csms.tls import client_context
from chargepoint.station.validity import OwnTime, own_time

# The machine that runs this is in none of these years.
FROM = datetime(2051, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
CA = root("CSMS CA", start=FROM, life=10 * YEAR)
CONFIG = LinkConfig("wss://localhost/ocpp", "CP1", ("ocpp2.0.1",))


def shown(folder: Path, authority: Authority) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = authority.issue("localhost", key.public_key(), start=FROM, life=2 * YEAR)
    (folder / "chain.pem").write_text(pem(certificate) + authority.pem)
    (folder / "key.pem").write_text(key_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    return context


@asynccontextmanager
async def csms(context: ssl.SSLContext) -> AsyncIterator[LinkConfig]:
    async def keep(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(
        keep, "localhost", 0, ssl=context, subprotocols=["ocpp2.0.1"], ping_interval=None
    ) as server:
        port = server.sockets[0].getsockname()[1]
        tls = client_context(roots=CA.pem)
        tls.check_hostname = False  # a name is not what this is about
        yield replace(CONFIG, url=f"wss://localhost:{port}/ocpp", tls=tls)


@pytest.mark.parametrize("provisional", [False, True])
async def test_what_is_valid_by_the_stations_clock_is_valid(
    tmp_path: Path, *, provisional: bool
) -> None:
    async with csms(shown(tmp_path, CA)) as config:
        connection = await open_connection(config, OwnTime(FROM + YEAR, provisional))
        await connection.close()


async def test_by_the_machines_it_is_not(tmp_path: Path) -> None:
    async with csms(shown(tmp_path, CA)) as config:
        with pytest.raises(Outage, match="not yet valid") as caught:
            await open_connection(config)
        assert caught.value.cause is Cause.UNTRUSTED


async def test_the_machine_looks_again_once_its_clock_is_right(tmp_path: Path) -> None:
    async with csms(shown(tmp_path, CA)) as config:
        connection = await open_connection(config, OwnTime(FROM + YEAR))
        await connection.close()
        with pytest.raises(Outage, match="not yet valid"):
            await open_connection(config)


@pytest.mark.parametrize("provisional", [False, True])
async def test_what_has_expired_is_refused(tmp_path: Path, *, provisional: bool) -> None:
    async with csms(shown(tmp_path, CA)) as config:
        with pytest.raises(Outage, match="has expired") as caught:
            await open_connection(config, OwnTime(FROM + 3 * YEAR, provisional))
        assert caught.value.cause is Cause.UNTRUSTED


async def test_so_is_a_chain_in_which_one_has_expired(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    issued = CA.issue("Old", key.public_key(), ca=True, start=FROM, life=timedelta(days=30))
    async with csms(shown(tmp_path, Authority(issued, key))) as config:
        with pytest.raises(Outage, match="has expired"):
            await open_connection(config, OwnTime(FROM + YEAR))


async def test_what_is_not_valid_yet_is_refused_unless_the_time_is_provisional(
    tmp_path: Path,
) -> None:
    async with csms(shown(tmp_path, CA)) as config:
        with pytest.raises(Outage, match="not yet valid"):
            await open_connection(config, OwnTime(FROM - YEAR))
        connection = await open_connection(config, OwnTime(FROM - YEAR, provisional=True))
        await connection.close()


async def test_a_stranger_is_refused_at_any_time(tmp_path: Path) -> None:
    stranger = root("Stranger", start=FROM, life=10 * YEAR)
    async with csms(shown(tmp_path, stranger)) as config:
        with pytest.raises(Outage) as caught:
            await open_connection(config, OwnTime(FROM + YEAR))
        assert caught.value.cause is Cause.UNTRUSTED


def test_the_machine_sees_to_it_as_long_as_its_clock_is_the_stations() -> None:
    clock = SystemClock()
    assert own_time(clock) is None

    clock.correct(timedelta(seconds=30))
    assert own_time(clock) is None

    clock.correct(timedelta(days=20_000))
    time = own_time(clock)
    assert time is not None
    assert abs(time.now - clock.now()) < timedelta(seconds=5)

    clock.follow()
    clock.provisional = True
    assert own_time(clock) is not None
