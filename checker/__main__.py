"""`python -m checker`: the command line."""

import signal

if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until `run`, where it is heard
    from checker.cli import main

    main()
