"""What survives a restart of what is known of tokens; free charging; energy after a refusal."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from station_bench import TOKEN, Bench, station_bench

from chargepoint.core.authorization import Known
from chargepoint.core.facts import TransactionEnded, TransactionStarted
from chargepoint.core.inputs import Plugged, TokenAccepted, VehicleReady
from chargepoint.core.local_list import Listed
from chargepoint.core.model import Authorization, IdToken, IdTokenType, Source, Stage, StopReason
from chargepoint.core.variables import AUTH_CACHE_STORAGE, AUTH_ENABLED, LOCAL_LIST_ENTRIES
from chargepoint.errors import Refused, StoreError
from chargepoint.hardware.simulated import Vehicle
from meters.errors import MeterUnreachable

LISTED = Known("Accepted", Source.LOCAL_LIST)
NOBODY = IdToken("", IdTokenType.NO_AUTHORIZATION)


@pytest.mark.spec("2.0.1", "TC_C_32_CS")
async def test_the_cache_survives_a_restart(tmp_path: Path) -> None:
    async with station_bench(tmp_path) as bench:
        bench.set("LocalPreAuthorize", "true")
        await bench.station.authorizer.present(TOKEN)
        await bench.station.authorizer.present(TOKEN)  # and takes it back
        assert bench.session.asked == [TOKEN.value]

    async with station_bench(tmp_path, clock=bench.clock) as bench:
        await bench.feed(Plugged())
        await bench.station.authorizer.present(TOKEN)

        assert bench.session.asked == []
        assert bench.state().stage is Stage.CHARGING


@pytest.mark.spec("2.0.1", "TC_D_07_CS")
async def test_the_list_survives_a_restart(tmp_path: Path) -> None:
    async with station_bench(tmp_path) as bench:
        bench.station.local_list.update(4, [Listed(TOKEN, LISTED)], full=True)

    async with station_bench(tmp_path) as bench:
        bench.session.online = False
        await bench.feed(Plugged())
        await bench.station.authorizer.present(TOKEN)

        assert bench.station.local_list.version() == 4
        authorization = bench.state().authorization
        assert authorization is not None
        assert authorization.source is Source.LOCAL_LIST


async def test_a_list_that_cannot_be_stored_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise StoreError("disk I/O error")

    monkeypatch.setattr(bench.store.local_list, "_size", refuse)
    monkeypatch.setattr(bench.store.tokens, "_bytes", refuse)

    with pytest.raises(Refused, match="could not be stored"):
        bench.station.local_list.update(1, [Listed(TOKEN, LISTED)], full=True)
    for row in (LOCAL_LIST_ENTRIES, AUTH_CACHE_STORAGE):
        with pytest.raises(LookupError):
            bench.station.model[row]


@pytest.mark.spec("2.0.1", "C02.FR.01")
async def test_a_vehicle_charges_at_once_where_no_token_is_needed(alive: Bench) -> None:
    alive.station.model.assign(AUTH_ENABLED, value=False)

    alive.outlets[1].plug_in(Vehicle())
    await alive.clock.settle()

    (started,) = alive.facts(TransactionStarted)
    assert started.token == NOBODY
    assert alive.session.asked == []
    await alive.finish()
    assert alive.state().stage is Stage.FINISHED, "it does not begin again by itself"


async def test_a_vehicle_that_is_there_at_the_start_charges_where_no_token_is_needed(
    tmp_path: Path,
) -> None:
    def park(wiring: Any) -> None:
        wiring.board.outlet(1).plug_in(Vehicle())

    settings = {"AuthCtrlr.Enabled": False}
    async with station_bench(tmp_path, running=True, settings=settings, prepare=park) as bench:
        await bench.clock.settle()

        assert [fact.token for fact in bench.facts(TransactionStarted)] == [NOBODY]


async def test_a_token_that_is_shown_though_none_is_needed_goes_along(alive: Bench) -> None:
    alive.station.model.assign(AUTH_ENABLED, value=False)
    await alive.station.authorizer.present(TOKEN)

    alive.outlets[1].plug_in(Vehicle())
    await alive.clock.settle()

    (started,) = alive.facts(TransactionStarted)
    assert started.token == TOKEN
    assert alive.session.asked == []


async def test_a_vehicle_waits_where_a_token_is_needed(alive: Bench) -> None:
    alive.outlets[1].plug_in(Vehicle())
    await alive.clock.settle()

    assert alive.state().stage is Stage.PLUGGED


async def test_a_start_button_for_two_outlets_begins_where_a_vehicle_waits(tmp_path: Path) -> None:
    async with station_bench(tmp_path, connectors=(("cType2",), ("cType2",))) as bench:
        for evse_id in (1, 2):
            await bench.feed(Plugged(), evse_id=evse_id)
            await bench.station.authorizer.present(NOBODY)

        assert [bench.state(1).stage, bench.state(2).stage] == [Stage.CHARGING, Stage.CHARGING]
        await bench.station.authorizer.present(NOBODY, [2])

        assert [bench.state(1).stage, bench.state(2).stage] == [Stage.CHARGING, Stage.FINISHED]


async def test_the_own_session_is_ended_before_one_of_the_group(tmp_path: Path) -> None:
    member = Known("Accepted", Source.CSMS, IdToken("FLEET"))
    other = IdToken("DDEEFF0011")
    async with station_bench(tmp_path, connectors=(("cType2",), ("cType2",))) as bench:
        bench.session.says = {TOKEN.value: member, other.value: member}
        for evse_id, token in ((1, other), (2, TOKEN)):
            await bench.feed(Plugged(), VehicleReady(ready=True), evse_id=evse_id)
            began = TokenAccepted(Authorization(token, Source.CSMS, IdToken("FLEET")))
            await bench.feed(began, evse_id=evse_id)
        bench.station.authorizer.learn(TOKEN, member)

        await bench.station.authorizer.present(TOKEN)

        assert [fact.evse_id for fact in bench.facts(TransactionEnded)] == [2]


@pytest.mark.spec("2.0.1", "C16.FR.03")
async def test_a_master_pass_does_not_wait_for_the_record_of_one_to_end_the_other(
    tmp_path: Path,
) -> None:
    master = Known("Accepted", Source.CSMS, IdToken("MASTER"))
    settings = {"AuthCtrlr.MasterPassGroupId": "MASTER"}
    async with station_bench(
        tmp_path, connectors=(("cType2",), ("cType2",)), settings=settings
    ) as bench:
        for evse_id in (1, 2):
            await bench.charge(IdToken(f"0011223344{evse_id}"), evse_id=evse_id)
        bench.session.says[TOKEN.value] = master
        for meter in bench.meters.values():
            meter.gate.clear()

        bench.station.present(TOKEN)
        await bench.clock.settle()

        assert not any(outlet.closed for outlet in bench.outlets.values())
        for meter in bench.meters.values():
            meter.gate.set()
        await bench.clock.settle()
        reasons = {fact.reason for fact in bench.facts(TransactionEnded)}
        assert reasons == {StopReason.MASTER_PASS}


@pytest.mark.spec("2.0.1", "E05.FR.03")
@pytest.mark.parametrize("read_before", [True, False])
async def test_a_meter_that_does_not_answer_grants_from_what_is_known(
    bench: Bench, *, read_before: bool
) -> None:
    bench.set("StopTransactionOnInvalidId", "false")
    bench.set("MaxEnergyOnInvalidId", "300")
    transaction = await bench.charge()
    begin = bench.meters[1].energy_wh
    if read_before:
        bench.meters[1].energy_wh += 100
        await bench.evse().meter.refresh()
    bench.meters[1].fails = MeterUnreachable("no answer")

    await bench.station.token_refused(transaction.transaction_id)

    expected = begin + (400 if read_before else 300)
    assert bench.state().denied_from_wh == Decimal(expected)
    assert bench.outlets[1].closed


@pytest.mark.spec("2.0.1", "F01.FR.01")
async def test_a_remote_start_keeps_to_the_evses_of_the_token(tmp_path: Path) -> None:
    async with station_bench(tmp_path, connectors=(("cType2",), ("cType2",))) as bench:
        bench.session.says[TOKEN.value] = Known("Accepted", Source.CSMS, evse_ids=(2,))
        for evse_id in (1, 2):
            await bench.feed(Plugged(), evse_id=evse_id)
            runner = bench.evse(evse_id).runner
            await bench.station.authorizer.start_remotely(runner, TOKEN, 1, ask=True)

        assert [bench.state(1).stage, bench.state(2).stage] == [Stage.PLUGGED, Stage.CHARGING]
