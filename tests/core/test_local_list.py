"""Which update of the local list may be applied, as a table."""

import pytest

from chargepoint.core.authorization import Known
from chargepoint.core.local_list import Listed, Outdated, check_update
from chargepoint.core.model import IdToken, IdTokenType, Source
from chargepoint.errors import Refused

GOOD = Known("Accepted", Source.LOCAL_LIST)
A = Listed(IdToken("AAAA"), GOOD)
B = Listed(IdToken("BBBB"), GOOD)
SMALL_A = Listed(IdToken("aaaa"), GOOD)
TYPED_A = Listed(IdToken("AAAA", IdTokenType.KEY_CODE), GOOD)
GONE = Listed(IdToken("AAAA"), None)

# version, entries, full, the list's version -> refused with the word
ROWS: dict[str, tuple[int, list[Listed], bool, int, str | None]] = {
    "a whole list": (1, [A, B], True, 0, None),
    "a whole list of an older version": (1, [A, B], True, 9, None),
    "an empty whole list": (3, [], True, 2, None),
    "newer changes": (3, [A, GONE], False, 2, "InvalidValue"),
    "newer changes that take one away": (3, [GONE, B], False, 2, None),
    "no changes": (3, [], False, 2, None),
    "changes of the same version": (2, [A], False, 2, "outdated"),
    "changes of an older version": (1, [A], False, 2, "outdated"),
    "changes to an empty list": (1, [A], False, 0, None),
    "version zero": (0, [A], True, 0, "ValuePositiveOnly"),
    "a negative version": (-1, [A], False, 0, "ValuePositiveOnly"),
    "twice": (3, [A, B, SMALL_A], True, 2, "InvalidValue"),
    "two types": (3, [A, TYPED_A], True, 2, None),
    "a whole list that says nothing of one": (3, [GONE], True, 2, "MissingParam"),
}


@pytest.mark.spec("2.0.1", "D01.FR.18")
@pytest.mark.spec("2.0.1", "TC_D_06_CS")
@pytest.mark.spec("1.6", "5.15")
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_which_update_may_be_applied(row: tuple[int, list[Listed], bool, int, str | None]) -> None:
    version, entries, full, ours, reason = row

    if reason is None:
        check_update(version, entries, full=full, ours=ours)
        return
    with pytest.raises(Refused) as refused:
        check_update(version, entries, full=full, ours=ours)
    assert isinstance(refused.value, Outdated) == (reason == "outdated")
    if reason != "outdated":
        assert refused.value.reason == reason
