"""Any sequence of updates leaves the list that a dictionary would hold, or the one before."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from chargepoint.core.authorization import Known
from chargepoint.core.local_list import Listed, Outdated
from chargepoint.core.model import IdToken, IdTokenType, Source
from chargepoint.core.variables_layout import ConnectorDescription, EvseDescription
from chargepoint.errors import Refused
from chargepoint.station.device_model import DeviceModel
from chargepoint.station.local_list import LocalList
from chargepoint.store import local_list
from chargepoint.store.sqlite import Store

MOST = 3
VALUES = ("aa", "BB", "Bb", "cc", "dd")
TYPES = (IdTokenType.ISO14443, IdTokenType.KEY_CODE)
EVSES = [EvseDescription(1, (ConnectorDescription(1, "cType2"),))]

words = st.sampled_from(["Accepted", "Blocked"]).map(lambda w: Known(w, Source.LOCAL_LIST))
tokens = st.builds(IdToken, st.sampled_from(VALUES), st.sampled_from(TYPES))
entries = st.lists(st.builds(Listed, tokens, st.none() | words), max_size=4)
updates = st.tuples(st.integers(-1, 6), entries, st.booleans())

Key = tuple[str, IdTokenType]


@dataclass
class Oracle:
    """The same rules in another way."""

    version: int = 0
    tokens: dict[Key, Known] = field(default_factory=dict)

    def update(self, version: int, listed: list[Listed], *, full: bool) -> str:
        keys = [(one.token.value.lower(), one.token.type) for one in listed]
        known = {key: one.known for key, one in zip(keys, listed, strict=True)}
        if version < 1 or len(known) < len(keys) or (full and None in known.values()):
            outdated = version >= 1 and not full and version <= self.version
            return "VersionMismatch" if outdated else "Failed"
        if not full and version <= self.version:
            return "VersionMismatch"
        merged: dict[Key, Known | None] = {**({} if full else self.tokens), **known}
        kept = {key: one for key, one in merged.items() if one is not None}
        if len(kept) > MOST:
            return "Failed"
        self.version, self.tokens = version, kept
        return "Accepted"


def _update(station: LocalList, version: int, listed: list[Listed], *, full: bool) -> str:
    try:
        station.update(version, listed, full=full)
    except Outdated:
        return "VersionMismatch"
    except Refused:
        return "Failed"
    return "Accepted"


@settings(max_examples=60, deadline=None)
@given(sequence=st.lists(updates, max_size=8))
def test_the_list_is_what_a_dictionary_would_hold(
    sequence: list[tuple[int, list[Listed], bool]],
) -> None:
    oracle, most = Oracle(), local_list.LIST_ENTRIES_MOST
    local_list.LIST_ENTRIES_MOST = MOST
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            Store(Path(folder) / "state", "CP1") as store,
        ):
            station = LocalList(store, DeviceModel(evses=EVSES, store=store.settings))
            for version, listed, full in sequence:
                said = _update(station, version, listed, full=full)

                assert said == oracle.update(version, listed, full=full)
                assert station.version() == oracle.version
                for value in VALUES:
                    for kind in TYPES:
                        known = store.local_list.known(IdToken(value, kind))
                        assert known == oracle.tokens.get((value.lower(), kind))
    finally:
        local_list.LIST_ENTRIES_MOST = most
