"""Start here: `python -m spiko_nanoservice` reads the environment and runs one pod, of a tier or of the
registry.
"""

import os
import sys

from spiko_nanoservice.process.entry import run

if __name__ == "__main__":
    sys.exit(run(os.environ))
