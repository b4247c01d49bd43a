"""What is signed, and where the meter's key is (OCA note on signed meter values 1.0, 3.3)."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from case_rig import Case
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from key_talk import change, choose, sampled, value

from meters.ocmf import load_public_key

Open = Callable[..., AbstractAsyncContextManager[Case]]

ENERGY = "Energy.Active.Import.Register"
SWITCHES = (
    "SampledDataSignStartedReadings",
    "SampledDataSignUpdatedReadings",
    "AlignedDataSignReadings",
    "AlignedDataSignUpdatedReadings",
)
READ = {
    "MeterValueSampleInterval": "60",
    "MeterValuesSampledData": ENERGY,
    "ClockAlignedDataInterval": "90",
    "MeterValuesAlignedData": ENERGY,
    "StartTxnSampledData": ENERGY,
    "StopTxnSampledData": ENERGY,
    "StopTxnAlignedData": ENERGY,
}
ALL = {"SampledDataSignReadings": "true", **dict.fromkeys(SWITCHES, "true")}


@asynccontextmanager
async def able(open_case: Open, **more: Any) -> AsyncIterator[Case]:
    """A station whose meter signs everything."""
    async with open_case(settings={**READ, **more}, start=False) as run:
        run.meters[1].signs_begin = run.meters[1].signs_readings = True
        await run.start()
        yield run


async def session(run: Case) -> dict[str, list[dict[str, Any]]]:
    """A session of two minutes: the signed values by the context of the message they are in.

    "begin", "Sample.Periodic" and "Sample.Clock" are MeterValues, "stop" is transactionData.
    """
    run.take()
    await run.charge()
    await run.advance(100)
    await run.unplug()
    found: dict[str, list[dict[str, Any]]] = {}
    for one in run.take():
        if one.action == "MeterValues":
            for signed in _signed(sampled(one.payload)):
                found.setdefault(signed["context"], []).append(signed)
        elif one.action == "StopTransaction":
            found["stop"] = _signed(sampled(one.payload, "transactionData"))
    return found


def _signed(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in values if one["format"] == "SignedData"]


def keys(values: list[dict[str, Any]]) -> list[bool]:
    """Whether each container has the public key."""
    return [bool(json.loads(one["value"])["publicKey"]) for one in values]


@pytest.mark.spec("1.6", "SampledDataSignReadings")
async def test_the_master_switch_signs_the_final_message_or_nothing(open_case: Open) -> None:
    async with able(open_case) as run:
        await choose(run, SampledDataSignReadings="true")
        told = await session(run)
        assert set(told) == {"stop"}
        first, *between, last = [one["context"] for one in told["stop"]]
        assert (first, set(between), last) == (
            "Transaction.Begin",
            {"Sample.Periodic"},
            "Transaction.End",
        )
        document = json.loads(told["stop"][-1]["value"])["signedMeterData"]
        assert base64.b64decode(document).startswith(b"OCMF|")

        await choose(run, SampledDataSignReadings="false")
        for switch in SWITCHES[:2]:
            await choose(run, **{switch: "true"})
        assert (await session(run))["stop"] == []


@pytest.mark.parametrize(
    ("switches", "context"),
    [
        pytest.param(
            ["SampledDataSignStartedReadings"],
            "Transaction.Begin",
            marks=pytest.mark.spec("1.6", "SampledDataSignStartedReadings"),
        ),
        pytest.param(
            ["SampledDataSignUpdatedReadings"],
            "Sample.Periodic",
            marks=pytest.mark.spec("1.6", "SampledDataSignUpdatedReadings"),
        ),
        pytest.param(
            ["AlignedDataSignReadings", "AlignedDataSignUpdatedReadings"],
            "Sample.Clock",
            marks=pytest.mark.spec("1.6", "AlignedDataSignUpdatedReadings"),
        ),
    ],
)
async def test_each_switch_signs_the_readings_of_its_context(
    open_case: Open, switches: list[str], context: str
) -> None:
    async with able(open_case) as run:
        for switch in switches:
            await choose(run, **{switch: "true"})

        assert set(await session(run)) == {context, "stop"}

        await choose(run, **{switches[-1]: "false"})
        assert set(await session(run)) == {"stop"}


@pytest.mark.spec("1.6", "AlignedDataSignReadings")
async def test_the_aligned_switch_signs_the_aligned_readings_of_the_final_message(
    open_case: Open,
) -> None:
    async with able(open_case, SampledDataSignReadings="false") as run:
        await choose(run, AlignedDataSignReadings="true")
        told = await session(run)
        assert [one["context"] for one in told["stop"]] == ["Sample.Clock"]
        assert set(told) == {"stop"}

        await choose(run, AlignedDataSignReadings="false", AlignedDataSignUpdatedReadings="true")
        assert (await session(run)) == {"stop": []}


@pytest.mark.spec("1.6", "SampledDataSignStartedReadings")
@pytest.mark.spec("1.6", "SampledDataSignUpdatedReadings")
@pytest.mark.spec("1.6", "AlignedDataSignReadings")
@pytest.mark.spec("1.6", "AlignedDataSignUpdatedReadings")
async def test_what_the_meter_cannot_sign_is_false_for_ever(open_case: Open) -> None:
    async with open_case(settings=READ) as run:
        for switch in SWITCHES:
            assert await change(run, switch, "true") == "Rejected"
            (told,) = (await run.ask("GetConfiguration", key=[switch]))["configurationKey"]
            assert told == {"key": switch, "readonly": True, "value": "false"}

        told = await session(run)
        assert set(told) == {"stop"}
        assert [one["context"] for one in told["stop"]] == ["Transaction.End"]


@pytest.mark.spec("1.6", "PublicKeyWithSignedMeterValue")
async def test_the_key_is_where_the_setting_says(open_case: Open) -> None:
    async with able(open_case, **ALL) as run:
        await choose(run, PublicKeyWithSignedMeterValue="Never")
        assert not any(any(keys(values)) for values in (await session(run)).values())

        await choose(run, PublicKeyWithSignedMeterValue="OncePerTransaction")
        told = await session(run)
        *others, last = keys(told.pop("stop"))
        assert (len(others) > 1, any(others), last) == (True, False, True)
        assert not any(any(keys(values)) for values in told.values())

        await choose(run, PublicKeyWithSignedMeterValue="EveryMeterValue")
        told = await session(run)
        assert {"Transaction.Begin", "Sample.Periodic", "Sample.Clock", "stop"} == set(told)
        assert all(all(keys(values)) for values in told.values())

        assert await change(run, "PublicKeyWithSignedMeterValue", "Always") == "Rejected"


@pytest.mark.spec("1.6", "MeterPublicKey")
async def test_the_key_of_each_connector_is_that_of_its_signed_values(
    open_case: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = _key()
    monkeypatch.setattr("fake_meter.KEY", key)
    outlets = (("cType2",), ("cType2", "cType2"))
    async with open_case(settings=READ, connectors=outlets) as run:
        told = [await value(run, f"MeterPublicKey{number}") for number in (1, 2, 3)]

        assert set(told) == {load_public_key(key).oca()}
        assert base64.b64decode(told[0]) == f"oca:base16:asn1:{key}".encode()
        assert len(told[0]) <= 500
        assert (await run.ask("GetConfiguration", key=["MeterPublicKey4"]))["unknownKey"]
        assert await change(run, "MeterPublicKey1", "x") == "Rejected"
        (signed,) = (await session(run))["stop"]
        assert json.loads(signed["value"])["publicKey"] == told[0]


def _key() -> str:
    """A public key as a meter would print it, on the curve that the fake meter signs with."""
    public = ec.generate_private_key(ec.BrainpoolP384R1()).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex().upper()
