"""Writes records as XML of the transparency software: the file with which a customer checks a bill.

The counterpart of ``containers.from_xml``. Form of S.A.F.E. e.V. Transparenzsoftware 1.4 (its
XML_Format.md); nothing is signed, changed or left out here.
"""

import re
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from meters.ocmf.errors import OcmfError
from meters.ocmf.keys import load_public_key
from meters.ocmf.readings import BEGIN
from meters.ocmf.record import parse
from meters.ocmf.session import CONTEXT_BEGIN, CONTEXT_END

XML_HEAD: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<values>\n'
XML_FOOT: Final = "</values>\n"

_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OCMF: Final = "OCMF"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A record, the key to check it with, and a number that its transaction has in the file.

    ``method`` is an algorithm named outside of the record, needed for the key alone.
    """

    record: bytes = field(repr=False)
    key: str
    transaction: int
    encoding: str = _OCMF
    method: str = ""


def xml_value(evidence: Evidence) -> str:
    """One ``value`` element, to stand between ``XML_HEAD`` and ``XML_FOOT``.

    A record that is no text, or no text that XML can carry to the byte, stands there as hex:
    this program reads that, the transparency software does not.
    """
    encoding, text = _text(evidence.record)
    context = _context(evidence)
    whose = f' transactionId="{evidence.transaction}" context="{context}"' if context else ""
    what = f'format={quoteattr(evidence.encoding)} encoding="{encoding}"'
    lines = [f"  <value{whose}>", f"    <signedData {what}>{text}</signedData>"]
    if evidence.key:
        kind, key = _key(evidence)
        lines.append(f'    <publicKey encoding="{kind}">{key}</publicKey>')
    return "\n".join((*lines, "  </value>", ""))


def _text(record: bytes) -> tuple[str, str]:
    try:
        text = record.decode()
    except UnicodeDecodeError:
        return "hex", record.hex().upper()
    if _NO_XML.search(text) or text != text.strip():  # readers take outer white space away
        return "hex", record.hex().upper()
    return "plain", escape(text, {"\r": "&#13;"})


def _context(evidence: Evidence) -> str:
    """What the record is in its transaction; empty if it is a whole one, or says nothing of it.

    The transparency software wants one begin and one end of each transaction that is named.
    """
    if evidence.encoding != _OCMF:
        return ""
    try:
        readings = parse(evidence.record).readings
    except OcmfError:
        return ""
    begins, ends = any(one.cause == BEGIN for one in readings), any(one.ends for one in readings)
    if begins == ends:
        return ""
    return CONTEXT_BEGIN if begins else CONTEXT_END


def _key(evidence: Evidence) -> tuple[str, str]:
    """The key as SubjectPublicKeyInfo in hex; one that cannot be read as the meter gave it."""
    try:
        return "hex", load_public_key(evidence.key, algorithm=evidence.method).spki.hex().upper()
    except OcmfError:
        return "plain", escape(_NO_XML.sub("?", evidence.key))
