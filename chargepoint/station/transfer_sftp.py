"""Files over SFTP, with the package asyncssh where it is installed."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from chargepoint.core.transfer import Location, Trouble
from chargepoint.station.transfer import (
    BLOCK,
    CONNECT_TIMEOUT_S,
    IDLE_TIMEOUT_S,
    Partial,
    Sink,
    TransferFailed,
    Trust,
)
from chargepoint.station.transfer_reach import connecting


async def download(
    place: Location, target: Path, most: int, trust: Trust, _so_far: Partial
) -> None:
    """Read the file.

    Raises:
        TransferFailed: it is not whole.
    """
    sink = Sink(target, most)
    try:
        async with (
            _client(place, trust) as client,
            client.open(place.path, "rb") as file,
        ):
            sink.expect((await asyncio.wait_for(file.stat(), IDLE_TIMEOUT_S)).size)
            while block := await asyncio.wait_for(file.read(BLOCK), IDLE_TIMEOUT_S):
                sink.write(block)
        sink.finish()
    finally:
        sink.close()


async def upload(place: Location, source: Path, trust: Trust) -> None:
    """Write the file, under its own name if the location is a folder.

    Raises:
        TransferFailed: the server did not take it.
    """
    async with _client(place, trust) as client:
        folder = place.is_folder or await client.isdir(place.path)
        path = f"{place.path.rstrip('/')}/{source.name}" if folder else place.path
        with source.open("rb") as file:
            async with client.open(path, "wb") as remote:
                while block := file.read(BLOCK):
                    await asyncio.wait_for(remote.write(block), IDLE_TIMEOUT_S)


@asynccontextmanager
async def _client(place: Location, trust: Trust) -> AsyncIterator[Any]:
    asyncssh: Any = importlib.import_module("asyncssh")
    try:
        connection = await connecting(place.host, place.port, trust.reach, CONNECT_TIMEOUT_S)
        async with (
            asyncssh.connect(
                place.host,
                place.port,
                sock=connection,
                username=place.user or None,
                password=place.password or None,
                known_hosts=str(trust.known_hosts),
                client_keys=None,
                config=None,
                connect_timeout=CONNECT_TIMEOUT_S,
            ) as secured,
            secured.start_sftp_client() as client,
        ):
            yield client
    except (asyncssh.PermissionDenied, asyncssh.SFTPPermissionDenied) as error:
        raise TransferFailed("not permitted", Trouble.DENIED) from error
    except asyncssh.SFTPOpUnsupported as error:
        raise TransferFailed("not supported", Trouble.UNSUPPORTED) from error
    except asyncssh.Error as error:
        raise TransferFailed(type(error).__name__) from error
    except (OSError, TimeoutError) as error:
        raise TransferFailed(error.strerror or "no answer in time") from error
    except ValueError as error:  # a host that no name server knows how to be asked for
        raise TransferFailed("the address is none of SFTP") from error
