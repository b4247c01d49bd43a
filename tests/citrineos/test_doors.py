"""Who gets in at a real CitrineOS, on every port that it has."""

import secrets
from typing import TYPE_CHECKING

import pytest
from citrine_office import TENANT, until
from citrine_site import Site

if TYPE_CHECKING:
    from conftest import Open

VERSIONS = ["2.0.1", "1.6"]


@pytest.mark.parametrize("profile", [0, 1, 2, 3])
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_station_that_boots_is_in_the_database(
    open_site: "Open", version: str, profile: int
) -> None:
    async with open_site(version, profile=profile) as site:
        await site.office.wait_for(site.id, "StatusNotification")

        async def stored() -> bool:
            rows = await site.office.rows(
                'SELECT "chargePointVendor", "chargePointModel", protocol FROM "ChargingStations"'
                " WHERE id = %s",
                site.id,
            )
            return rows == [("Example", "Wallbox 22", f"ocpp{version}")]

        await until(stored, "the station in the database")
        assert (await site.local.get("/v1/status"))["link"]["subprotocol"] == f"ocpp{version}"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_port_of_another_version_is_left_and_said_so(
    open_site: "Open", version: str
) -> None:
    """CitrineOS accepts such a connection without a subprotocol, and is mute on it."""
    [other] = {*VERSIONS} - {version}
    async with open_site(version, accepted=False) as site:
        config = site.folder / "config.yaml"
        config.write_text(config.read_text().replace(f'ocpp: "{version}"', f'ocpp: "{other}"'))

        await site.start()

        await until(lambda: refused(site, "check that this port serves that"), "a hint")
        assert await site.office.messages(site.id) == []


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_open_port_takes_a_station_that_nobody_entered(
    open_site: "Open", version: str
) -> None:
    async with open_site(version, known=False) as site:
        await site.accepted()

        async def stored() -> bool:
            query = 'SELECT "chargePointVendor" FROM "ChargingStations" WHERE id = %s'
            return await site.office.rows(query, site.id) == [("Example",)]

        await until(stored, "the station in the database")


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_wrong_password_is_refused_and_said_so(open_site: "Open", version: str) -> None:
    async with open_site(version, profile=1, accepted=False) as site:
        right = site.password
        site.write_password(secrets.token_hex(10))

        await site.start()
        await until(lambda: refused(site, "401"), "a refusal with 401")
        site.cut_power()
        site.write_password(right)
        await site.start()

        await site.accepted()


async def test_a_station_that_is_not_entered_is_refused_where_it_must_be(
    open_site: "Open",
) -> None:
    async with open_site("2.0.1", profile=1, known=False) as site:
        await until(lambda: refused(site, "404"), "a refusal with 404")


async def test_a_password_that_citrineos_sets_is_the_one_from_then_on(open_site: "Open") -> None:
    async with open_site("2.0.1", profile=1) as site:
        new = secrets.token_hex(12)
        body = {"stationId": site.id, "password": new, "setOnCharger": False}
        before = await site.office.last(site.id)

        await site.office.post(f"/data/configuration/password?tenantId={TENANT}", body)

        await site.office.wait_for(site.id, "SetVariables", origin="csms", after=before)
        site.cut_power()
        await site.start()  # its config still says the old one
        await site.accepted()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_station_that_an_operator_throws_out_comes_back(
    open_site: "Open", version: str
) -> None:
    async with open_site(version) as site:
        await site.office.wait_for(site.id, "StatusNotification")
        since = (await site.local.get("/v1/status"))["link"]["since"]
        path = f"/data/ocpprouter/connection?stationId={site.id}&tenantId={TENANT}"

        await site.office.post(path, None, method="DELETE")

        async def back() -> bool:
            link = (await site.local.get("/v1/status"))["link"]
            return link["state"] == "connected" and link["since"] != since

        await until(back, "a new connection")
        await site.accepted()
        assert (await site.ask("ClearCache"))["status"] == "Accepted"


async def refused(site: Site, status: str) -> bool:
    link = (await site.local.get("/v1/status"))["link"]
    return status in str(link["last_error"]) and link["state"] != "connected"
