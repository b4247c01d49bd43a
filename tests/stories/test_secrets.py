"""A whole session with known secrets, with errors in it: none of them is in anything that is said.

Not looked for are the places that are there to hold them: the database and the keys of the state
folder, the ready file (mode 0600), and the frames on the wire. A signed record holds the token that
it is about, as the law wants it.
"""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from case_rig import CallError, Case, case

from chargepoint.cli.logs import JsonLines, PlainLines
from chargepoint.core.inputs import VehicleReady
from chargepoint.core.model import AdditionalInfo, IdToken
from chargepoint.station import evse as evse_module

PASSWORD = "first-secret-of-the-link"
NEW_PASSWORD = "second-secret-of-the-link"
TOKEN = "04FACE5EC2E701"
OTHER_TOKENS = ("04FACE5EC2E702", "04FACE5EC2E703", "04FACE5EC2E704", "04FACE5EC2E705")
PIN = "pin-98431"
TRANSFER = "secret-of-the-upload"
GROUP = "04FACE5EC2E7FF"
SETTINGS = {
    "SampledDataCtrlr.TxUpdatedInterval": "20",
    "LocalAuthListCtrlr.Enabled": "true",
    "AuthCtrlr.AuthorizeRemoteStart": "true",
}


class Crash(Exception):  # noqa: N818 - a test's own
    """Says all that it knows."""


@contextmanager
def everything_logged() -> Iterator[dict[str, io.StringIO]]:
    """All loggers at debug, in both formats."""
    root, said = logging.getLogger(), {"text": io.StringIO(), "json": io.StringIO()}
    handlers = []
    for name, stream in said.items():
        handler = logging.StreamHandler(stream)
        handler.setFormatter(JsonLines() if name == "json" else PlainLines(colour=False))
        handlers.append(handler)
        root.addHandler(handler)
    level, root.level = root.level, logging.DEBUG
    wire = logging.getLogger("chargepoint.wire")
    wire_level = wire.level
    wire.setLevel(logging.DEBUG)
    try:
        yield said
    finally:
        root.level = level
        wire.setLevel(wire_level)
        for handler in handlers:
            root.removeHandler(handler)


class Local:
    """A client of the local interface that keeps all that it ever read."""

    def __init__(self, ready: Path) -> None:
        told = json.loads(ready.read_text())
        self.token = str(told["token"])
        self._where = str(told["url"]).removeprefix("http://").split(":")
        self.read = ""

    async def get(self, path: str, token: str | None = None) -> str:
        reader, writer = await self._open(path, token)
        answer = (await reader.read()).decode()
        self.read += answer
        writer.close()
        return answer.partition("\r\n\r\n")[2]

    @asynccontextmanager
    async def events(self) -> AsyncIterator[None]:
        reader, writer = await self._open("/v1/events", None)

        async def listen() -> None:
            while line := await reader.read(65536):
                self.read += line.decode()

        task = asyncio.create_task(listen())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            writer.close()

    async def _open(
        self, path: str, token: str | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._where
        reader, writer = await asyncio.open_connection(host, int(port))
        secret = self.token if token is None else token
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {secret}"]
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        return reader, writer


def crash_with_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules fail once, and the error says whatever it was given."""
    advance, armed = evse_module.advance, [VehicleReady]

    def defective(state: Any, given: Any, *more: Any) -> Any:
        if armed and isinstance(given, armed[0]) and state.transaction is not None:
            armed.clear()
            raise Crash(f"{given!r} in {state!r}")
        return advance(state, given, *more)

    monkeypatch.setattr(evse_module, "advance", defective)


async def refused(asked: Any) -> None:
    """What the CSMS asks for, whatever the answer is."""
    with suppress(CallError):
        await asked


def token(value: str, version: str) -> Any:
    return value if version == "1.6" else {"idToken": value, "type": "ISO14443"}


async def ask_with_secrets(run: Case, version: str) -> None:
    """Everything by which a CSMS tells a secret."""
    first, second, third, fourth = (token(value, version) for value in OTHER_TOKENS)
    place = f"ftp://user:{TRANSFER}@127.0.0.1:1/logs/"
    if version == "1.6":
        change = {"key": "AuthorizationKey", "value": NEW_PASSWORD}
        entry = {"idTag": first, "idTagInfo": {"status": "Accepted", "parentIdTag": GROUP}}
        listed = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [entry]}
        book = {"connectorId": 1, "expiryDate": "2027-01-01T00:00:00Z", "idTag": second}
        await refused(run.ask("ChangeConfiguration", **change))
        await refused(run.ask("SendLocalList", **listed))
        await refused(run.ask("ReserveNow", **book, reservationId=5))
        await refused(run.ask("RemoteStartTransaction", connectorId=1, idTag=third))
        await refused(run.ask("GetDiagnostics", location=place))
        await refused(run.ask("GetConfiguration"))
        await refused(
            run.ask("ExtendedTriggerMessage", requestedMessage="SignChargePointCertificate")
        )
    else:
        name = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
        group = {"status": "Accepted", "groupIdToken": token(GROUP, version)}
        entry = {"idToken": first, "idTokenInfo": group}
        listed = {"versionNumber": 1, "updateType": "Full", "localAuthorizationList": [entry]}
        book = {"id": 5, "expiryDateTime": "2027-01-01T00:00:00Z", "idToken": second}
        log = {"remoteLocation": place}
        info = {"requestId": 3, "report": True, "clear": False, "idToken": fourth}
        await refused(
            run.ask("SetVariables", setVariableData=[{**name, "attributeValue": NEW_PASSWORD}])
        )
        await refused(run.ask("SendLocalList", **listed))
        await refused(run.ask("ReserveNow", **book))
        await refused(run.ask("RequestStartTransaction", remoteStartId=1, idToken=third))
        await refused(run.ask("GetLog", requestId=2, logType="DiagnosticsLog", log=log))
        await refused(run.ask("CustomerInformation", **info))
        await refused(run.ask("GetBaseReport", requestId=4, reportBase="FullInventory"))
        await refused(run.ask("TriggerMessage", requestedMessage="SignChargingStationCertificate"))
    await run.csms.send_raw("CP1", f'[2,"broken",{{"idTag":"{fourth}","password":"{NEW_PASSWORD}"')
    start = "RemoteStartTransaction" if version == "1.6" else "RequestStartTransaction"
    for odd in (f"{TOKEN}{TOKEN}", [TOKEN], {"idToken": TOKEN, "type": 7}, {"idToken": [TOKEN]}):
        call = {"idTag": odd, "idToken": odd, "remoteStartId": 1}
        await run.csms.send_raw("CP1", json.dumps([2, f"odd {type(odd)}", start, call]))
    await run.settle()


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_no_secret_is_in_anything_that_is_said(
    tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = tmp_path / "local.json"
    with everything_logged() as said:
        async with case(
            version,
            tmp_path,
            settings=SETTINGS,
            csms={"security_profile": 1, "password": PASSWORD},
            local={"listen": "127.0.0.1:0", "ready_file": str(ready)},
        ) as run:
            local = Local(ready)
            async with local.events():
                await run.settle()
                secret = IdToken(TOKEN, additional=(AdditionalInfo(PIN, "PIN"),))
                transaction = await run.charge(secret)
                await ask_with_secrets(run, version)
                await run.advance(30)
                crash_with_all(monkeypatch)
                await run.vehicle_ready(False)  # the EVSE fails
                await run.advance(5)
                await run.cut()
                await run.swipe(OTHER_TOKENS[0])
                await run.back()
                await run.advance(30)
                for path in (
                    "/v1/status",
                    "/v1/transactions",
                    f"/v1/transactions/{transaction}",
                    f"/v1/transactions/{transaction}/records",
                    "/v1/settings",
                    "/v1/untold",
                    "/v1/records",
                    "/metrics",
                    "/healthz",
                    "/readyz",
                    f"/v1/{TRANSFER[:3]}",
                ):
                    assert await local.get(path)
                assert "401" in await local.get("/v1/status", token="wrong") or local.read
                await run.settle()
            keys = [file.read_text() for file in (tmp_path / "state" / "keys").rglob("*.key")]
            files = _files(tmp_path, but=ready)
        run.csms.violations.clear()

    places = {"text log": said["text"].getvalue(), "JSON log": said["json"].getvalue()}
    places |= {"local interface": local.read, **files}
    secrets = {TOKEN, PIN, GROUP, *OTHER_TOKENS, PASSWORD, NEW_PASSWORD, TRANSFER, local.token}
    secrets |= {line for key in keys for line in key.splitlines() if len(line) > 40}
    found = {
        (name, text[text.index(one) - 100 : text.index(one) + 100])
        for name, text in places.items()
        for one in secrets
        if one in text
    }
    assert found == set()
    assert "Crash: VehicleReady(ready=False) in EvseState(" in places["text log"]
    assert "IdToken(***01, " in places["text log"], "masked, so that people can tell them apart"
    for line in places["JSON log"].splitlines():
        assert {"time", "level", "part", "message", "fields"} <= json.loads(line).keys()


def _files(home: Path, but: Path) -> dict[str, str]:
    """What stands in files that are not there to hold secrets."""
    private = {"keys"}
    return {
        str(file.relative_to(home)): file.read_text(errors="replace")
        for file in home.rglob("*")
        if file.is_file()
        and file not in {but, home / "station.yaml"}
        and not private & set(file.relative_to(home).parts)
        and not file.name.startswith("station.db")
        and file.name != "reserve"
    }
