"""Start here: `python -m spiko_nanoservice` runs one pod, of a tier or of the registry."""

import os
import sys

from spiko_nanoservice.process.entry import run

if __name__ == "__main__":
    sys.exit(run(os.environ))
