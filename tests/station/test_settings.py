"""From settings to what is signed and where the public key goes, as tables of the OCA note."""

from pathlib import Path

import pytest
from station_bench import Bench, station_bench

from chargepoint.core.model import Policy
from chargepoint.core.variables_layout import Signing

ALL = Signing(started=True, updated=True, aligned=True)
SWITCHES = (
    "SampledDataSignReadings",
    "SampledDataSignStartedReadings",
    "SampledDataSignUpdatedReadings",
    "AlignedDataSignReadings",
    "AlignedDataSignUpdatedReadings",
)
# Sampled: master, started, updated; aligned: master, updated -> begin, periodic, clock, final.
SIGNED = [
    ("false false false false false", "no  no  no  no"),
    ("false true  true  true  true ", "no  no  yes no"),
    ("true  false false false false", "no  no  no  yes"),
    ("true  true  false false false", "yes no  no  yes"),
    ("true  true  true  false false", "yes yes no  yes"),
    ("true  true  false true  true ", "yes no  yes yes"),
    ("true  true  true  true  true ", "yes yes yes yes"),
    ("true  false true  false true ", "no  yes no  yes"),
    ("true  false false true  false", "no  no  no  yes"),
]


def _policy(bench: Bench) -> Policy:
    return bench.station.settings.policy("T1", "DE*ABC*E1", tls=True)


@pytest.mark.parametrize(("switches", "signed"), SIGNED)
async def test_what_is_signed_follows_the_switches(
    tmp_path: Path, switches: str, signed: str
) -> None:
    async with station_bench(tmp_path, signing=ALL) as bench:
        for key, value in zip(SWITCHES, switches.split(), strict=True):
            bench.set(key, value)

        policy = _policy(bench)

    found = (policy.sign_started, policy.sign_updated, policy.sign_aligned, policy.sign_ended)
    assert ["yes" if sign else "no" for sign in found] == signed.split()


# Policy, key in the first message?, begin signed? -> with begin, with samples, with end.
KEYS = [
    ("Never", False, True, (False, False, False)),
    ("Never", True, True, (False, False, False)),
    ("OncePerTransaction", False, False, (False, False, True)),
    ("OncePerTransaction", False, True, (False, False, True)),
    ("OncePerTransaction", True, True, (True, False, False)),
    ("OncePerTransaction", True, False, (False, False, True)),
    ("EveryMeterValue", False, False, (True, True, True)),
    ("EveryMeterValue", True, True, (True, True, True)),
]


@pytest.mark.parametrize(("key", "in_first", "started", "expected"), KEYS)
async def test_the_key_goes_where_the_setting_and_the_csms_want_it(
    tmp_path: Path, key: str, expected: tuple[bool, bool, bool], *, in_first: bool, started: bool
) -> None:
    async with station_bench(tmp_path, signing=ALL, key_in_first=in_first) as bench:
        bench.set("PublicKeyWithSignedMeterValue", key)
        bench.set("SampledDataSignStartedReadings", str(started).lower())

        policy = _policy(bench)

    assert (policy.key_started, policy.key_updated, policy.key_ended) == expected


async def test_a_policy_is_of_its_moment(bench: Bench) -> None:
    before = _policy(bench)
    bench.set("ConnectionTimeOut", "20")
    bench.set("StopTransactionOnEVSideDisconnect", "false")
    bench.set("AllowEnergyTransferResumption", "true")

    after = _policy(bench)

    assert (before.connection_timeout.seconds, after.connection_timeout.seconds) == (60, 20)
    assert (before.stop_on_ev_disconnect, after.stop_on_ev_disconnect) == (True, False)
    assert (before.resume_after_power_loss, after.resume_after_power_loss) == (False, True)
    assert (after.fresh_id, after.charge_point, after.tls) == ("T1", "DE*ABC*E1", True)


async def test_rules_for_tokens_follow_the_settings(bench: Bench) -> None:
    rules = bench.station.settings.rules()
    assert rules.enabled
    assert rules.cache

    bench.set("AuthorizationCacheEnabled", "false")
    bench.set("LocalPreAuthorize", "true")
    bench.set("LocalAuthorizeOffline", "false")
    bench.set("AllowOfflineTxForUnknownId", "true")

    rules = bench.station.settings.rules()
    assert (rules.cache, rules.local_pre_authorize) == (False, True)
    assert (rules.local_authorize_offline, rules.offline_unknown) == (False, True)
