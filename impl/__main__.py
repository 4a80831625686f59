"""`python -m impl`: the command line with everything in it."""

from impl.start import main

if __name__ == "__main__":
    main()
