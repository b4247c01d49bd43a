"""Bauer BSM-WS36A: signed readings over Modbus, in the register models of SunSpec.

The meter knows no transactions: it signs single readings on demand, among them one called start and
one called end, and keeps the last of each until it loses power. So a transaction has two records;
the one of the begin comes with the reading of ``begin``, that of the end with the reading of
``end``. What belongs together and what was released is noted in a text register of the meter.
"""

from meters.drivers.bauer_bsm.config import Config as Config
from meters.drivers.bauer_bsm.signing import TRANSPORT as TRANSPORT
from meters.drivers.bauer_bsm.signing import create as create
