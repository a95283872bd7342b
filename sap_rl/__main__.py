"""`sap-rl` and `python -m sap_rl`: Ctrl-C is quiet from the first moment to the last."""

import os
import signal
import sys
from typing import Any


def main() -> int:
    """Run the command; while Python loads it nothing can be lost, and a signal ends it at once."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # as a shell's background jobs have it
            signal.signal(number, _interrupted)
    from sap_rl.cli import main as run

    status = run()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left is Python's own end
    return status


def _interrupted(*_: Any) -> None:
    os.write(2, b"sap-rl: interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
