"""Isabellenhuette IEM-DCR: a DC meter that signs transactions, over HTTP and JSON.

The meter keeps one record, the last; the next transaction takes its place, and nothing can be
written into the meter that says "read". So what was released is known to the driver only: after a
restart it offers the last record once more, which costs one read and loses nothing.

The transaction id travels in the tariff text (OCMF field TT) behind a marker, since that is what
comes back in the signed record. Whose a running transaction is, some firmware tells (the node
``receipt`` then gives its begin), other firmware does not before it is ended; see ``Config`` and
``IemDcr.end`` for what follows from that.

What the meter gives as a record and is none, or never finishes, is asked for again as long as the
meter may take to sign. If it stays so, it is handed on as it came, as evidence, and may be
overwritten once it was released. Whose it is, is what it says itself; else that of the end that was
just commanded; else nobody's. A meter that gives no byte of its record keeps it and begins nothing:
what it holds would be overwritten unseen.

Source: no manual of the vendor is public; behaviour of the EVerest driver, its tests, which are
from the vendor, and records of real devices.
"""

from meters.drivers.isabellenhuette_iem_dcr.config import Config as Config
from meters.drivers.isabellenhuette_iem_dcr.config import http_config as http_config
from meters.drivers.isabellenhuette_iem_dcr.signing import TRANSPORT as TRANSPORT
from meters.drivers.isabellenhuette_iem_dcr.signing import create as create
