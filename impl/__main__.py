"""`python -m impl`: the command line with everything in it."""

from impl.cli import main

if __name__ == "__main__":
    main()
