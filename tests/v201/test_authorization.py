"""Block C: asking about tokens, emptying the cache."""

from datetime import UTC, datetime
from typing import Any

import pytest
from fake_clock import START

from chargepoint.core.authorization import Known
from chargepoint.core.model import IdToken, IdTokenType, Source
from chargepoint.errors import StoreError

TOKEN = IdToken("04A1B2C3", IdTokenType.ISO15693)


@pytest.mark.spec("2.0.1", "C01.FR.02")
async def test_a_token_is_asked_about_with_its_type(talk: Any) -> None:
    known = await talk.adapter.authorize(talk.csms, TOKEN)

    assert talk.csms.said("Authorize") == [{"idToken": {"idToken": "04A1B2C3", "type": "ISO15693"}}]
    assert known == Known("Accepted", Source.CSMS)


async def test_group_and_expiry_are_understood(talk: Any) -> None:
    info = {
        "status": "Accepted",
        "cacheExpiryDateTime": "2026-03-01T12:00:00+02:00",
        "groupIdToken": {"idToken": "FLEET-7", "type": "Central"},
    }
    talk.csms.answers("Authorize", {"idTokenInfo": info})

    known = await talk.adapter.authorize(talk.csms, TOKEN)

    assert known.group == IdToken("fleet-7")
    assert known.expires == datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.mark.spec("2.0.1", "C11.FR.02")
async def test_the_cache_is_emptied(talk: Any) -> None:
    talk.bench.store.tokens.remember(TOKEN, Known("Accepted", Source.CACHE), START)

    answer = await talk.ask("ClearCache", {})

    assert answer == {"status": "Accepted"}
    assert talk.bench.store.tokens.known(TOKEN) is None


@pytest.mark.spec("2.0.1", "C11.FR.03")
async def test_a_cache_that_cannot_be_emptied_is_rejected(
    talk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise StoreError("full")

    monkeypatch.setattr(talk.bench.store.tokens, "forget_all", refuse)

    assert await talk.ask("ClearCache", {}) == {"status": "Rejected"}


@pytest.mark.spec("2.0.1", "TC_C_38_CS")
@pytest.mark.spec("2.0.1", "C11.FR.04")
async def test_a_cache_that_is_switched_off_is_not_emptied(talk: Any) -> None:
    talk.bench.store.tokens.remember(TOKEN, Known("Accepted", Source.CACHE), START)
    talk.bench.set("AuthorizationCacheEnabled", "false")

    assert await talk.ask("ClearCache", {}) == {"status": "Rejected"}
    assert talk.bench.store.tokens.known(TOKEN) is not None
