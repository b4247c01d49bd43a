"""XML of the transparency software, read, and what was read written and read again."""

import json
from collections.abc import Iterator
from pathlib import Path

from meters.ocmf.containers import ContainerError, from_xml, share_keys
from meters.ocmf.session import verify_contained
from meters.ocmf.transparency import XML_FOOT, XML_HEAD, Evidence, xml_value

MODULES = ("meters.ocmf.containers", "meters.ocmf.transparency", "meters.ocmf.record")
WORDS = (
    "<values>", "</values>", "<value", "</value>", "<signedData", "</signedData>", "<publicKey",
    "</publicKey>", "<encodedData", "</encodedData>", 'transactionId="1"', 'format="OCMF"',
    'context="Transaction.Begin"', 'context="Transaction.End"', 'encoding="plain"',
    'encoding="base64"', 'encoding="base32"', 'encoding="hex"', "<!DOCTYPE a>", "&#13;",
    "<![CDATA[", "]]>", '<?xml version="1.0" encoding="UTF-16"?>', 'xmlns="urn:a"',
    'xmlns:a="urn:a"', "<a:value", "<!--", "-->", "OCMF|", "&amp;", "&lt;",
)  # fmt: skip
VECTORS = Path(__file__).parents[1] / "meters" / "ocmf" / "vectors.json"


def seeds() -> Iterator[bytes]:
    records = json.loads(VECTORS.read_text())[:8]
    for number, one in enumerate(records):
        evidence = Evidence(one["ocmf"].encode("utf-8", "replace"), one["public_key"], number)
        yield (XML_HEAD + xml_value(evidence) + XML_FOOT).encode()
    text = records[0]["ocmf"]
    yield f'<values xmlns="urn:x"><value><signedData>{text}</signedData></value></values>'.encode()
    yield b"<values><value><encodedData>AP</encodedData><publicKey>12</publicKey></value></values>"
    yield b'<!DOCTYPE a [<!ENTITY b "c">]><values><value>&b;</value></values>'


def run(data: bytes) -> str:
    try:
        found = share_keys(from_xml(data))
    except ContainerError as error:
        assert str(error)
        return "ContainerError"
    for one in found:
        verify_contained(one)
        evidence = Evidence(one.record, one.key, 1, one.encoding, one.method)
        again = from_xml(XML_HEAD + xml_value(evidence) + XML_FOOT)
        assert len(again) == 1
        assert again[0].record in {one.record, one.record.hex().upper().encode()}
    return f"{len(found)} values"
