"""START HERE: `python -m spiko_local.kubelet` runs a kubelet until it is killed.

SIGTERM ends the kubelet alone: its pods keep running for the next one, as with a real kubelet. The end of the
lifeline ends the kubelet and its pods.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from pathlib import Path

from spiko_local.api_client import ApiClient
from spiko_local.kubelet.kubelet import Kubelet
from spiko_local.kubelet.server import Servers, TlsFiles, is_own_error
from spiko_local.nodes import read_nodes

CLIENT_CA_HELP = "authority of the API server's client certificate; clients without one are rejected"


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="spiko_local.kubelet", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="kubeconfig of the API server")
    parser.add_argument("--nodes", type=Path, required=True, help="kind configuration with the nodes to play")
    parser.add_argument("--state", type=Path, required=True, help="folder for records, logs and sockets")
    parser.add_argument("--cert", type=Path, required=True, help="serving certificate")
    parser.add_argument("--key", type=Path, required=True, help="key of the serving certificate")
    parser.add_argument("--client-ca", type=Path, required=True, help=CLIENT_CA_HELP)
    parser.add_argument("--lifeline", type=int, help="descriptor of a pipe; its end ends kubelet and pods")
    parser.add_argument(
        "--module", default="spiko_nanoservice.process.entry", help="what pods run: warm() and run(environ)"
    )
    return parser.parse_args(arguments)


async def run(options: argparse.Namespace) -> None:
    """Run a kubelet until it is killed."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, os._exit, 0)
    if options.lifeline is not None:
        loop.add_reader(options.lifeline, os._exit, 1)
    options.state.mkdir(parents=True, exist_ok=True)
    async with ApiClient(options.kubeconfig) as api:
        kubelet = Kubelet(api, read_nodes(options.nodes), options.state, options.module, options.lifeline)
        tls = TlsFiles(options.cert, options.key, options.client_ca)
        await Servers(kubelet.nodes, kubelet.pods, kubelet, tls).start()
        await kubelet.run()


if __name__ == "__main__":
    gc.freeze()  # modules live for ever: no collection looks at them
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    logging.getLogger("aiohttp.server").addFilter(is_own_error)
    asyncio.run(run(parse(sys.argv[1:])))
