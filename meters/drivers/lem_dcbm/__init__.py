"""LEM DCBM 400/600: DC meter that signs transactions, over HTTP or HTTPS.

What the driver cares about most: a record is never taken for that of another transaction, the next
transaction begins only when the last record is stored, and neither begin nor end is ever commanded
twice for one need, whatever answer was lost.
"""

from meters.drivers.lem_dcbm.config import Config as Config
from meters.drivers.lem_dcbm.config import http_config as http_config
from meters.drivers.lem_dcbm.signing import TRANSPORT as TRANSPORT
from meters.drivers.lem_dcbm.signing import create as create
