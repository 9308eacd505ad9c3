"""`python -m spiko_cli` is `spiko`."""

from spiko_cli import main

if __name__ == "__main__":
    main()
