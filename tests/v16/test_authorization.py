from datetime import UTC, datetime
from typing import Any

import pytest

from chargepoint.core.authorization import Known
from chargepoint.core.model import IdToken, Source
from chargepoint.errors import CsmsRejected, StoreError

TOKEN = IdToken("04A1B2C3")


@pytest.mark.spec("1.6", "4.1")
async def test_authorize_tells_status_group_and_expiry(bench: Any) -> None:
    bench.csms.standing["Authorize"] = {
        "idTagInfo": {
            "status": "Accepted",
            "parentIdTag": "FLEET",
            "expiryDate": "2026-03-02T00:00:00Z",
        }
    }

    known = await bench.adapter.authorize(bench.csms, TOKEN)

    assert bench.csms.said("Authorize") == [{"idTag": "04A1B2C3"}]
    assert known == Known(
        "Accepted", Source.CSMS, IdToken("FLEET"), datetime(2026, 3, 2, tzinfo=UTC)
    )


@pytest.mark.spec("1.6", "4.1")
@pytest.mark.parametrize("status", ["Blocked", "Expired", "Invalid", "ConcurrentTx"])
async def test_authorize_tells_a_refusal(bench: Any, status: str, now: datetime) -> None:
    bench.csms.standing["Authorize"] = {"idTagInfo": {"status": status}}

    known = await bench.adapter.authorize(bench.csms, TOKEN)

    assert known == Known(status, Source.CSMS)
    assert not known.accepted(now)


async def test_authorize_that_is_refused_decides_nothing(bench: Any) -> None:
    bench.csms.standing["Authorize"] = CsmsRejected("InternalError")

    with pytest.raises(CsmsRejected):
        await bench.adapter.authorize(bench.csms, TOKEN)


async def test_a_token_longer_than_an_id_tag_is_invalid_without_asking(bench: Any) -> None:
    known = await bench.adapter.authorize(bench.csms, IdToken("A" * 21))

    assert known.status == "Invalid"
    assert bench.csms.sent == []


@pytest.mark.spec("1.6", "5.4")
async def test_clear_cache_forgets_every_token(bench: Any) -> None:
    bench.station.authorizer.learn(TOKEN, Known("Accepted", Source.CSMS))
    assert bench.station.store.tokens.known(TOKEN) is not None

    assert await bench.ask("ClearCache") == {"status": "Accepted"}
    assert bench.station.store.tokens.known(TOKEN) is None


@pytest.mark.spec("1.6", "5.4")
async def test_clear_cache_is_rejected_if_the_disk_refuses(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(bench.station.store.tokens, "forget_all", refuse)

    assert await bench.ask("ClearCache") == {"status": "Rejected"}
