"""A whole station without its CSMS: what is kept meanwhile, what is told, what leaves then."""

from pathlib import Path

from case_rig import case

from chargepoint.store.archive import Delivery, KeptRecord, RecordArchive

SESSIONS = 6
KEPT_MOST = 3
HOUR_S = 3600


def kept(folder: Path) -> list[KeptRecord]:
    with RecordArchive(folder) as archive:
        return [one for one in archive.oldest_first() if isinstance(one, KeptRecord)]


async def test_what_is_kept_while_offline_is_told_later_and_only_then_leaves(
    tmp_path: Path,
) -> None:
    ids = []
    unknown = {"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}
    records = {"records": {"max_count": KEPT_MOST}}
    async with case("2.0.1", tmp_path, settings=unknown, station=records) as run:
        folder = run.station.store.folder
        await run.cut()
        for _ in range(SESSIONS):
            ids.append(await run.charge())
            await run.advance(60)
            await run.unplug()
        await run.restart()
        await run.advance(HOUR_S)
        offline = kept(folder)
        await run.back()
        await run.advance(10)
        told = kept(folder)
        ended = [one for one in run.take("TransactionEvent") if one["eventType"] == "Ended"]
        await run.advance(HOUR_S)
        left = kept(folder)

    assert [one.row.transaction_id for one in offline] == ids
    assert {one.delivery for one in offline} == {Delivery.WAITING}
    assert [one["transactionInfo"]["transactionId"] for one in ended] == ids
    assert [one.row.document for one in told] == [one.row.document for one in offline]
    assert {one.delivery for one in told} == {Delivery.DELIVERED}
    assert left == told[-KEPT_MOST:]
