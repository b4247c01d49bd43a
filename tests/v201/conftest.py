"""A station that speaks OCPP 2.0.1 with the small CSMS over a real WebSocket."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from case_rig import Case, case
from file_servers import Files, http_server
from firmware_rig import IMAGE, FakeInstaller, Maker, make_maker
from loopback import LOOPBACK
from talk_rig import Talk, talk_rig

from chargepoint import v201
from chargepoint.csms.adapter import Adapter, SessionView
from chargepoint.csms.identity import Identity
from chargepoint.csms.profiles import CsmsProfile
from chargepoint.station.station import Station, Wiring
from chargepoint.station.upkeep import Upkeep

Begin = Callable[..., AbstractAsyncContextManager[Talk]]


def _talk(
    folder: Path, identity: Identity, profile: CsmsProfile, **more: Any
) -> AbstractAsyncContextManager[Talk]:
    def make(station: Station, session: SessionView) -> Adapter:
        return v201.adapter(station, profile=profile, identity=identity, session=session)

    return talk_rig(folder, "2.0.1", make, **more)


@pytest.fixture
def identity() -> Identity:
    return Identity("Example", "Wallbox 22", "0001", "1.2.3")


@pytest.fixture
def profile() -> CsmsProfile:
    return CsmsProfile()


@pytest.fixture
def connectors() -> tuple[tuple[str, ...], ...]:
    """The connector types of each EVSE."""
    return (("cType2",), ("cType2", "sType3"))


@pytest.fixture
def upkeep() -> Upkeep:
    """What the station was told of updates and logs."""
    return Upkeep(station_id="CP1", reach=LOOPBACK)


@pytest.fixture
def settings() -> dict[str, str]:
    """What the installer's file says."""
    return {}


@pytest.fixture
def begin(
    *,
    tmp_path: Path,
    identity: Identity,
    profile: CsmsProfile,
    connectors: tuple[tuple[str, ...], ...],
    upkeep: Upkeep,
    settings: dict[str, str],
) -> Begin:
    """Begins a life of the station in the one folder; given a clock it is a restart."""

    def prepare(wiring: Wiring) -> None:
        wiring.upkeep = upkeep

    def life(**more: Any) -> AbstractAsyncContextManager[Talk]:
        more = {"connectors": connectors, "prepare": prepare, "settings": settings} | more
        return _talk(tmp_path, identity, profile, **more)

    return life


@pytest.fixture
async def talk(begin: Begin) -> AsyncIterator[Talk]:
    """Two EVSEs, the second with two connectors; nothing happens by itself."""
    async with begin() as talk:
        yield talk


@pytest.fixture
def open_talk(tmp_path: Path, identity: Identity, profile: CsmsProfile) -> Any:
    """Makes a talk with other settings, or with the state of the one before: then a restart."""
    return partial(_talk, tmp_path, identity, profile)


@pytest.fixture(scope="module")
def maker() -> Maker:
    return make_maker()


@pytest.fixture
def installer() -> FakeInstaller:
    return FakeInstaller()


@pytest.fixture
async def server() -> AsyncIterator[Files]:
    async with http_server() as files:
        files.files["/fw.bin"] = IMAGE
        yield files


@pytest.fixture
def open_case(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Case]]:
    """Opens a whole running station and its CSMS; see ``case_rig``."""
    return partial(case, "2.0.1", tmp_path)
