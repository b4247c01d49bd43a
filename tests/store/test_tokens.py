"""The authorization cache: what is remembered, and who goes when it is full."""

import sqlite3
from datetime import timedelta
from importlib import resources
from pathlib import Path

import pytest
from fake_clock import START

from chargepoint.core.authorization import Known
from chargepoint.core.model import IdToken, IdTokenType, Source
from chargepoint.core.variables import CachePolicy
from chargepoint.errors import StoreError
from chargepoint.store import tokens
from chargepoint.store.sqlite import Store

GOOD = Known("Accepted", Source.CACHE, IdToken("GROUP"), START, (1, 2))
BAD = Known("Blocked", Source.CACHE)
MINUTE = timedelta(minutes=1)


def test_a_token_is_known_whatever_its_case(store: Store) -> None:
    store.tokens.remember(IdToken("aB12"), GOOD, START)

    assert store.tokens.known(IdToken("Ab12")) == GOOD
    assert store.tokens.known(IdToken("CD34")) is None


def test_a_typed_code_is_not_the_card_of_the_same_number(store: Store) -> None:
    code = IdToken("AB12", IdTokenType.KEY_CODE)
    store.tokens.remember(IdToken("AB12"), GOOD, START)

    assert store.tokens.known(code) is None
    store.tokens.remember(code, BAD, START)
    assert store.tokens.known(IdToken("AB12")) == GOOD


def test_a_token_that_1_6_names_is_the_one_that_was_presented(store: Store) -> None:
    store.tokens.remember(IdToken("AB12"), GOOD, START)

    assert store.tokens.known(IdToken("AB12", IdTokenType.CENTRAL)) == GOOD


def test_the_last_word_on_a_token_counts(store: Store) -> None:
    store.tokens.remember(IdToken("AB12"), GOOD, START)
    store.tokens.remember(IdToken("AB12"), BAD, START)

    assert store.tokens.known(IdToken("AB12")) == BAD


def test_all_tokens_can_be_forgotten(store: Store) -> None:
    store.tokens.remember(IdToken("AB12"), GOOD, START)
    assert store.tokens.bytes() > 0

    store.tokens.forget_all()

    assert store.tokens.known(IdToken("AB12")) is None
    assert store.tokens.bytes() == 0


def test_a_use_is_noted(store: Store) -> None:
    store.tokens.remember(IdToken("AB12"), GOOD, START)

    store.tokens.used(IdToken("ab12"), START + MINUTE)

    cached = store.tokens.cached(IdToken("AB12"))
    assert cached == tokens.Cached(GOOD, START + MINUTE)


@pytest.mark.spec("2.0.1", "C10.FR.07")
@pytest.mark.spec("1.6", "3.5.1")
@pytest.mark.parametrize(
    ("policy", "left"),
    [
        (CachePolicy.LRU, {"use1", "old2", "new4"}),
        (CachePolicy.LFU, {"use1", "new3", "new4"}),
        (CachePolicy.FIFO, {"old2", "new3", "new4"}),
    ],
)
def test_a_full_cache_drops_bad_tokens_first_then_what_the_policy_says(
    store: Store, monkeypatch: pytest.MonkeyPatch, policy: CachePolicy, left: set[str]
) -> None:
    told = ["use1", "old2", "bad1", "new3", "new4"]
    store.tokens.remember(IdToken("use1"), GOOD, START)
    monkeypatch.setattr(tokens, "CACHE_BYTES_MOST", 3 * store.tokens.bytes())
    for minute, value in enumerate(told[1:], 1):
        known = BAD if value.startswith("bad") else GOOD
        store.tokens.remember(IdToken(value), known, START + minute * MINUTE, policy)
        if value == "new3":
            for _ in range(3):
                store.tokens.used(IdToken("use1"), START + 5 * MINUTE)
                store.tokens.used(IdToken("new3"), START + 3 * MINUTE)
            after = 4 if policy is CachePolicy.LRU else 1
            store.tokens.used(IdToken("old2"), START + after * MINUTE)

    assert {value for value in told if store.tokens.known(IdToken(value))} == left
    assert store.tokens.bytes() <= tokens.CACHE_BYTES_MOST


def test_a_bad_token_that_cannot_be_stored_leaves_what_was_known(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.tokens.remember(IdToken("AB12"), GOOD, START)

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(store.tokens, "_bytes", full)
    with pytest.raises(StoreError, match="disk is full"):
        store.tokens.remember(IdToken("AB12"), BAD, START)

    assert store.tokens.known(IdToken("AB12")) == GOOD


def test_what_an_older_version_remembered_is_still_known(folder: Path) -> None:
    folder.mkdir()
    first = resources.files("chargepoint.store").joinpath("schema/0001.sql").read_text()
    entry = b'{"status":"Accepted","source":"cache","group":null,"expires":null}'
    database = sqlite3.connect(folder / "station.db")
    database.executescript(f"{first};PRAGMA user_version = 1")
    database.execute("INSERT INTO token VALUES ('ab12', ?, ?)", (entry, START.isoformat()))
    database.commit()
    database.close()

    with Store(folder, "CP1") as store:
        cached = store.tokens.cached(IdToken("AB12", IdTokenType.ISO15693))

    assert cached == tokens.Cached(Known("Accepted", Source.CACHE), START)
