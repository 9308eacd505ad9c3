"""START HERE: `python -m spiko_local.kubelet`: arguments in, a kubelet that runs until it is killed.

SIGTERM ends the kubelet alone: pods live on for the next one, as with a real kubelet. The lifeline's end ends everything.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from spiko_local.api_client import Api
from spiko_local.kubelet.kubelet import Kubelet
from spiko_local.kubelet.server import Servers
from spiko_local.nodes import read_nodes


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="spiko_local.kubelet", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="of the API server")
    parser.add_argument("--nodes", type=Path, required=True, help="a kind configuration")
    parser.add_argument("--state", type=Path, required=True, help="folder for records, logs, sockets")
    parser.add_argument("--cert", type=Path, required=True, help="serving certificate")
    parser.add_argument("--key", type=Path, required=True, help="its key")
    parser.add_argument(
        "--client-ca", type=Path, required=True, help="who may ask: the API server's client certificate's authority"
    )
    parser.add_argument("--lifeline", type=int, help="descriptor of a pipe; its end ends everything")
    parser.add_argument("--module", default="spiko_nanoservice.process", help="what pods run: warm() and run(environ)")
    return parser.parse_args(arguments)


async def run(options: argparse.Namespace) -> None:
    """Work until killed."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, os._exit, 0)
    if options.lifeline is not None:
        loop.add_reader(options.lifeline, os._exit, 1)
    options.state.mkdir(parents=True, exist_ok=True)
    async with Api(options.kubeconfig) as api:
        kubelet = Kubelet(api, read_nodes(options.nodes), options.state, options.module, options.lifeline)
        await Servers(kubelet, options.cert, options.key, options.client_ca).start()
        await kubelet.run()


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(run(parse(sys.argv[1:])))
