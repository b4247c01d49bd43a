"""Carlo Gavazzi EM580: signed transactions over Modbus. EM300 and ET300 series: readings only.

The meter builds and keeps an OCMF record per transaction. What the driver cares about most: a
record is confirmed only when the caller says that it is stored, and neither begin nor end is ever
commanded twice for one need, whatever answer was lost.
"""

from meters.drivers.carlo_gavazzi_em580.config import Config as Config
from meters.drivers.carlo_gavazzi_em580.signing import TRANSPORT as TRANSPORT
from meters.drivers.carlo_gavazzi_em580.signing import create as create
