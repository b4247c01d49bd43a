"""Verdicts worked out ahead: while the last bytes are still on the wire, before anybody asks.

A driver that has the whole record and must ask its meter once more lets the signature be checked
meanwhile, in a thread; whoever verifies the same bytes with the same key afterwards gets that
verdict. Nothing is taken on trust: the verdict belongs to exactly these bytes.
"""

from collections import OrderedDict

from meters.ocmf.verification import Verdict, verify_document

_MOST = 4
_known: OrderedDict[tuple[bytes, str, str], Verdict] = OrderedDict()


def verify_ahead(document: bytes, key: str, *, method: str = "") -> None:
    """Check a record and remember the verdict, the last few of them. For use in a thread."""
    verdict = verify_document(document, key, method=method)
    _known[document, key, method] = verdict
    while len(_known) > _MOST:
        _known.popitem(last=False)


def verified_ahead(document: bytes, key: str, *, method: str = "") -> Verdict | None:
    """The verdict on exactly this record with exactly this key, if it is there already."""
    return _known.get((document, key, method))
