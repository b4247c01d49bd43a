"""``python -m chargepoint``: the same as the command ``chargepoint``."""

import sys

from chargepoint.cli import main

if __name__ == "__main__":
    sys.exit(main())
