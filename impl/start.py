"""Where `spectrace` begins: Ctrl-C waits until there is somebody to hear it, as what is being imported is half done."""

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Runs the command line and exits."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until `checker.cli.run`
    from impl.cli import main as rest

    rest()
