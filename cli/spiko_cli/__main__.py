"""`python -m spiko_cli` is `spiko`."""

from spiko_cli import main

main()
