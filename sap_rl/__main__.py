"""`python -m sap_rl` is `sap-rl`."""

import sys

from sap_rl.cli import main

if __name__ == "__main__":
    sys.exit(main())
