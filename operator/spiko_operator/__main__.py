"""`python -m spiko_operator`: the operator's entry point, the same in its image and on a local cluster."""

from __future__ import annotations

import logging
import os
import sys


def main() -> None:
    """Run kopf with our handlers, in all namespaces or in those of SPIKO_NAMESPACES (comma separated)."""
    import kopf

    import spiko_operator.main  # noqa: F401  # registers the handlers

    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for noisy in ("kopf.objects", "kopf.activities.probe", "aiohttp.access"):  # a line an event says nothing
        logging.getLogger(noisy).setLevel(logging.WARNING)
    namespaces = [name for name in os.environ.get("SPIKO_NAMESPACES", "").split(",") if name]
    liveness = os.environ.get("SPIKO_LIVENESS") or None  # such as http://0.0.0.0:8081/healthz
    kopf.run(standalone=True, clusterwide=not namespaces, namespaces=namespaces, liveness_endpoint=liveness)


if __name__ == "__main__":
    main()
