"""The local authorization list on disk: whole lists, changes, bounds, all or nothing."""

import sqlite3
from pathlib import Path

import pytest

from chargepoint.core.authorization import Known
from chargepoint.core.local_list import Listed
from chargepoint.core.model import IdToken, IdTokenType, Source
from chargepoint.errors import Refused, StoreError
from chargepoint.store import local_list
from chargepoint.store.sqlite import Store

GOOD = Known("Accepted", Source.LOCAL_LIST, IdToken("FLEET"))
BAD = Known("Invalid", Source.LOCAL_LIST)
A, B, C = IdToken("AAAA"), IdToken("BBBB"), IdToken("CCCC")


def listed(store: Store) -> dict[str, str]:
    found = {token.value: store.local_list.known(token) for token in (A, B, C)}
    return {value: known.status for value, known in found.items() if known}


def test_a_whole_list_takes_the_place_of_the_old_one(store: Store) -> None:
    store.local_list.apply(1, [Listed(A, GOOD), Listed(B, GOOD)], full=True)

    store.local_list.apply(7, [Listed(B, BAD), Listed(C, GOOD)], full=True)

    assert listed(store) == {"BBBB": "Invalid", "CCCC": "Accepted"}
    assert (store.local_list.version(), store.local_list.entries()) == (7, 2)
    assert store.local_list.bytes() > 0


def test_changes_add_change_and_take_away(store: Store) -> None:
    store.local_list.apply(1, [Listed(A, GOOD), Listed(B, GOOD)], full=True)

    store.local_list.apply(2, [Listed(A, None), Listed(B, BAD), Listed(C, GOOD)], full=False)

    assert listed(store) == {"BBBB": "Invalid", "CCCC": "Accepted"}
    assert store.local_list.version() == 2


def test_an_emptied_list_keeps_its_version(store: Store) -> None:
    assert store.local_list.version() == 0, "none was ever sent"

    store.local_list.apply(4, [Listed(A, GOOD)], full=True)
    store.local_list.apply(5, [], full=True)

    assert (store.local_list.version(), store.local_list.entries()) == (5, 0)


def test_types_tell_tokens_of_one_value_apart(store: Store) -> None:
    code = IdToken("AAAA", IdTokenType.KEY_CODE)
    store.local_list.apply(1, [Listed(A, GOOD), Listed(code, BAD)], full=True)

    assert store.local_list.known(IdToken("aaaa")) == GOOD
    assert store.local_list.known(code) == BAD
    assert store.local_list.known(IdToken("AAAA", IdTokenType.MAC_ADDRESS)) is None


def test_what_1_6_lists_fits_any_type_and_takes_the_place_of_all(store: Store) -> None:
    any_type = IdToken("AAAA", IdTokenType.CENTRAL)
    store.local_list.apply(1, [Listed(A, GOOD)], full=True)

    store.local_list.apply(2, [Listed(any_type, BAD)], full=False)

    assert store.local_list.known(IdToken("AAAA", IdTokenType.KEY_CODE)) == BAD
    assert store.local_list.entries() == 1


@pytest.mark.parametrize("bound", ["LIST_ENTRIES_MOST", "LIST_BYTES_MOST"])
@pytest.mark.parametrize("full", [True, False])
def test_a_list_that_would_become_too_long_stays_as_it_was(
    store: Store, monkeypatch: pytest.MonkeyPatch, bound: str, *, full: bool
) -> None:
    store.local_list.apply(1, [Listed(A, GOOD)], full=True)
    most = 1 if bound == "LIST_ENTRIES_MOST" else store.local_list.bytes() + 1
    monkeypatch.setattr(local_list, bound, most)

    with pytest.raises(Refused, match="at most"):
        store.local_list.apply(2, [Listed(B, GOOD), Listed(C, GOOD)], full=full)

    assert listed(store) == {"AAAA": "Accepted"}
    assert store.local_list.version() == 1


def test_an_update_that_the_disk_refuses_leaves_the_list(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.local_list.apply(1, [Listed(A, GOOD)], full=True)

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(store.local_list, "_check_size", full)
    with pytest.raises(StoreError, match="disk is full"):
        store.local_list.apply(2, [Listed(B, GOOD)], full=True)

    assert listed(store) == {"AAAA": "Accepted"}


@pytest.mark.spec("2.0.1", "TC_D_07_CS")
def test_the_list_survives_a_restart(folder: Path) -> None:
    with Store(folder, "CP1") as store:
        store.local_list.apply(3, [Listed(A, GOOD)], full=True)

    with Store(folder, "CP1") as store:
        assert listed(store) == {"AAAA": "Accepted"}
        assert store.local_list.version() == 3
