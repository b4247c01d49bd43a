"""A whole session with what each kind of CSMS does with signed values, and with its profile."""

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from case_rig import Case, case

from chargepoint.bench.csms import SmallCsms, TransactionView
from chargepoint.bench.csms_likes import LIKES
from chargepoint.csms.profiles import PROFILES

SIGNED = {
    "SampledDataCtrlr.SignReadings": "true",
    "SampledDataCtrlr.SignStartedReadings": "true",
    "SampledDataCtrlr.TxStartedMeasurands": "Energy.Active.Import.Register",
    "OCPPCommCtrlr.PublicKeyWithSignedMeterValue": "EveryMeterValue",
}
SESSION_WH = 1500
RECORDS = 2  # begin and end


async def session(run: Case) -> TransactionView:
    """A whole session as the CSMS saw it."""
    await run.plug()
    await run.advance(5)
    await run.swipe("04A1B2C3D4", 1)
    await run.advance(5)
    run.meters[1].energy_wh += SESSION_WH
    await run.unplug()
    await run.advance(5)
    (view,) = run.csms.stations["CP1"].transactions
    assert (view.started, view.ended) == (1, 1)
    return view


@dataclass(frozen=True)
class Outcome:
    """What a CSMS would bill, the records that it has, and why the station keeps something."""

    energy: Decimal | None
    records: list[str]
    kept: list[str]


async def outcome(version: str, folder: Path, *, profile: str, like: str, **meter: Any) -> Outcome:
    """What comes of one session at a CSMS of one kind."""
    sections: dict[str, Any] = {"settings": SIGNED, "csms": {"profile": profile}}
    async with case(version, folder, start=False, served={"like": like}, **sections) as run:
        run.meters[1].signs_begin = True
        for name, value in meter.items():
            setattr(run.meters[1], name, value)
        await run.start()
        await run.advance(5)
        view = await session(run)
        assert run.csms.like is not None
        kept = [one.lack.why for one in run.station.store.untold.all()]
        return Outcome(run.csms.like.energy(view), run.csms.like.records(view), kept)


PAIRS = [(name, version) for name, like in LIKES.items() for version in like.versions]
HANDED_ON = {  # records that a system can hand on; nowhere else
    ("standard", "2.0.1"): RECORDS,
    ("standard", "1.6"): RECORDS,
    ("citrineos", "2.0.1"): RECORDS,
    ("everest-like", "2.0.1"): RECORDS,
    ("everest-like", "1.6"): RECORDS,
    ("steve", "1.6"): RECORDS,
}


def test_there_is_a_likeness_for_every_profile() -> None:
    assert LIKES.keys() == PROFILES.keys()


@pytest.mark.parametrize(("name", "version"), PAIRS)
async def test_with_its_profile_a_csms_bills_what_was_charged(
    name: str, version: str, tmp_path: Path
) -> None:
    it = await outcome(version, tmp_path, profile=name, like=name)

    assert it.energy == SESSION_WH
    assert len(it.records) == HANDED_ON.get((name, version), 0)
    assert it.kept == []


MISTAKEN = [
    # CitrineOS computes nothing if the first sample is signed.
    ("standard", "citrineos", "1.6", None, 0),
    # Who expects plain records finds none in a container.
    ("standard", "everest-like", "1.6", SESSION_WH, 0),
    ("standard", "everest-like", "2.0.1", SESSION_WH, 0),
    # A plain record is no Base64, and no container.
    ("everest-like", "standard", "2.0.1", SESSION_WH, 0),
    ("everest-like", "standard", "1.6", SESSION_WH, 0),
    # The signed value comes last: it is taken for the meter, and for a number.
    ("citrineos", "home-assistant", "1.6", -1000, 0),
    ("citrineos", "evcc", "1.6", None, 0),
]


@pytest.mark.parametrize(("profile", "like", "version", "billed", "count"), MISTAKEN)
async def test_with_another_profile_something_is_lost(  # noqa: PLR0917 - a table
    profile: str, like: str, version: str, billed: int | None, count: int, tmp_path: Path
) -> None:
    it = await outcome(version, tmp_path, profile=profile, like=like)

    assert it.energy == billed
    assert len(it.records) == count


async def test_citrineos_refuses_a_message_with_a_long_record_but_its_profile_sends_none(
    tmp_path: Path,
) -> None:
    it = await outcome("2.0.1", tmp_path, profile="citrineos", like="citrineos", record_bytes=3000)

    assert it.energy == SESSION_WH
    assert len(it.records) == 1  # that of the begin
    (why,) = it.kept
    assert "4000 characters" in why


@pytest.mark.parametrize(("profile", "errors"), [("standard", 1), ("citrineos", 0)])
async def test_citrineos_stores_a_signed_reading_beside_a_session_and_then_complains(
    profile: str, errors: int, tmp_path: Path
) -> None:
    settings = {
        "AlignedDataCtrlr.SignReadings": "true",
        "AlignedDataCtrlr.SignUpdatedReadings": "true",
        "AlignedDataCtrlr.Interval": "60",
        "AlignedDataCtrlr.Measurands": "Energy.Active.Import.Register",
    }
    sections: dict[str, Any] = {"settings": settings, "csms": {"profile": profile}}
    async with case(
        "2.0.1", tmp_path, start=False, served={"like": "citrineos"}, **sections
    ) as run:
        run.meters[1].signs_readings = True
        await run.start()
        await run.advance(61)

        (told,) = run.take("MeterValues")
        answers = [frame for frame in run.csms.frames if frame.action == "MeterValues"]
        assert ("signedMeterValue" in json.dumps(told)) is bool(errors)
        assert [frame.kind for frame in answers] == [2, 4 if errors else 3]


def test_who_is_like_a_system_of_one_version_speaks_that_alone() -> None:
    assert SmallCsms(like="steve")._versions == ("1.6",)
    assert SmallCsms(like="citrineos")._versions == ("2.0.1", "1.6")
    assert SmallCsms()._versions == ("2.0.1", "1.6")


@pytest.mark.parametrize(
    ("profile", "settings", "seconds"),
    [
        ("standard", {}, "30"),
        ("citrineos", {}, "45"),  # it answers what crossed a call of its own after 30 s
        ("citrineos", {"OCPPCommCtrlr.MessageTimeout#Default": "20"}, "20"),
        ("citrineos", {"MessageTimeout": "25"}, "25"),
    ],
)
async def test_an_answer_is_awaited_as_long_as_the_csms_needs_unless_the_config_says(
    profile: str, settings: dict[str, str], seconds: str, tmp_path: Path
) -> None:
    async with case("1.6", tmp_path, csms={"profile": profile}, settings=settings) as run:
        answer = await run.ask("GetConfiguration", key=["MessageTimeout"])

        assert answer["configurationKey"][0]["value"] == seconds
