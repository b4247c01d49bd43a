"""Which profile is recommended for what a CSMS shows of itself."""

from pathlib import Path

import pytest

from chargepoint.bench.csms import CallError, FaultKind, SmallCsms
from chargepoint.cli.check import try_csms
from chargepoint.config import StationConfig, load_config
from chargepoint.csms.link import LinkConfig
from chargepoint.csms.profiles import PROFILES
from chargepoint.csms.recognise import Signs, look, recommend

TWO, ONE = "ocpp2.0.1", "ocpp1.6"
PYTHON = "Python/3.13 websockets/15.0"


@pytest.mark.parametrize(
    ("signs", "profile"),
    [
        (Signs("ws://a/ocpp", TWO, "", "Rejected NotImplemented"), "citrineos"),
        (Signs("ws://a:8092", ONE, "", "NotSupported"), "citrineos"),
        (Signs("ws://a:8092", ONE, "nginx", "NotSupported"), None),
        (Signs("ws://a/ocpp", TWO, "", "NotSupported"), None),
        (Signs("ws://a/steve/websocket/CentralSystemService", ONE, "", "Accepted"), "steve"),
        (Signs("ws://a:8887", ONE, "", "Accepted"), "evcc"),
        (Signs("ws://a:8887", TWO, "", "Accepted"), None),
        (Signs("ws://a:9000", ONE, PYTHON, "Accepted"), "home-assistant"),
        (Signs("ws://a:9000", ONE, "chargepoint csms", "Accepted"), None),
        (Signs("ws://a/ocpp", TWO, PYTHON, "UnknownVendorId"), None),
        (Signs("ws://a/ocpp", TWO), None),
    ],
)
def test_a_profile_is_recommended_for_signs_of_its_csms(signs: Signs, profile: str | None) -> None:
    advice = recommend(signs)

    assert (advice.profile if advice else None) == profile
    if advice is not None:
        assert advice.profile in PROFILES
        assert len(advice.why) > 10


@pytest.mark.parametrize(
    ("like", "version", "server", "answer"),
    [
        (None, TWO, "chargepoint csms", "Accepted"),
        ("citrineos", TWO, "", "Rejected NotImplemented"),
        ("citrineos", ONE, "", "NotSupported"),
        ("steve", ONE, "Jetty(9.4)", "Accepted"),
        ("home-assistant", ONE, PYTHON, "Accepted"),
        ("evcc", ONE, "", "Accepted"),
    ],
)
async def test_a_visit_shows_what_there_is_to_see(
    like: str | None, version: str, server: str, answer: str
) -> None:
    async with SmallCsms(like=like) as csms:
        signs = await look(LinkConfig(csms.url, "CP1", (version,)))

    assert signs == Signs(csms.url, version, server, answer)
    assert csms.violations == []


async def test_a_csms_that_hangs_up_on_the_question_is_seen_all_the_same() -> None:
    async with SmallCsms() as csms:
        csms.inject(FaultKind.CLOSE_BEFORE, "DataTransfer")

        assert (await look(LinkConfig(csms.url, "CP1", (TWO,)))).answer == ""


async def test_a_csms_that_wants_a_boot_first_is_seen_all_the_same() -> None:
    async with SmallCsms() as csms:
        csms.on("DataTransfer", lambda *_: CallError("SecurityError", "boot first"))

        assert (await look(LinkConfig(csms.url, "CP1", (TWO,)))).answer == "SecurityError"


def _station(folder: Path, url: str, profile: str) -> StationConfig:
    path = folder / "station.yaml"
    path.write_text(f"""
station: {{id: CP1, vendor: Example, model: Wallbox, state: {folder}/state}}
csms: {{url: "{url}", ocpp: "2.0.1", profile: {profile}}}
buses: {{line: {{host: 127.0.0.1, tcp_port: 9}}}}
meters: {{outlet1: {{driver: carlo_gavazzi_em580, bus: line}}}}
evses: [{{id: 1, meter: outlet1, hardware: {{driver: simulated}}}}]
""")
    return load_config(path)


async def test_the_check_recommends_another_profile_and_says_why(tmp_path: Path) -> None:
    async with SmallCsms(like="citrineos") as csms:
        wrong = await try_csms(_station(tmp_path, csms.url, "standard"))
        right = await try_csms(_station(tmp_path, csms.url, "citrineos"))

    assert (wrong.good, right.good) == (True, True)
    (finding,) = wrong.findings
    assert finding.sentence == "it rejects DataTransfer as NotImplemented, as CitrineOS does"
    assert finding.step == "if it is, set csms.profile to citrineos (now standard)"
    assert right.findings == ()
