"""``chargepoint`` on a machine that has just been switched on: what was killed lost its power.

fresh_boot.py ARGUMENTS
"""

import sys
import uuid

from chargepoint import boot
from chargepoint.boot import Boot
from chargepoint.cli import main


def switch_on() -> None:
    """Let this process find itself in a boot of its own."""
    mine = Boot(str(uuid.uuid4()))
    boot.of_machine = lambda: mine  # type: ignore[assignment]


if __name__ == "__main__":
    switch_on()
    sys.exit(main(sys.argv[1:]))
