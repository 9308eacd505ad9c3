"""`python -m kube_devserver`: the API server and the controllers in one process, until SIGTERM or the lifeline's end."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import resource
import signal
import ssl
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from kube_devserver.api.authentication import Gate, read_users
from kube_devserver.api.kubelet_proxy import Kubelets
from kube_devserver.api.server import ApiServer
from kube_devserver.api.tokens import Tokens
from kube_devserver.api.verbs import Verbs
from kube_devserver.controllers.manager import Controllers
from kube_devserver.objects.events import ALIASES
from kube_devserver.objects.resource_registry import Catalog
from kube_devserver.storage.store import DamagedError, Store

MOST_FILES = 1 << 20  # where there is no limit
FILES_KEPT = 0.2  # of all files, for requests that are no watches and for connections to kubelets


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m kube_devserver")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="the file that holds all objects")
    parser.add_argument("--pki", type=Path, required=True, help="folder with certificates and tokens.csv")
    parser.add_argument("--lifeline", type=int, default=-1)
    arguments = parser.parse_args()
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # a request that is no HTTP is its sender's trouble
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(arguments))
        except DamagedError as error:
            sys.exit(str(error))


def _raise_files() -> int:
    """As many files as this process may have; returns how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = most if most != resource.RLIM_INFINITY else MOST_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


async def _serve(arguments: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if arguments.lifeline >= 0:
        loop.add_reader(arguments.lifeline, os._exit, 1)
    store = Store(arguments.data, ALIASES)
    verbs = Verbs(store, Catalog(), lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    controllers = Controllers(verbs, (arguments.pki / "ca.crt").read_text())
    controllers.prepare()
    gate = Gate(store, read_users(arguments.pki / "tokens.csv"), Tokens(store, arguments.pki / "sa.key", time.time))
    server = ApiServer(store, verbs, Kubelets(store, arguments.pki), gate, int(_raise_files() * (1 - FILES_KEPT)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.pki / "apiserver.crt", arguments.pki / "apiserver.key")
    context.set_alpn_protocols(["http/1.1"])
    runner = web.AppRunner(server.application, access_log=None, handle_signals=False, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", arguments.port, ssl_context=context, shutdown_timeout=1.0).start()
    gc.collect()
    gc.freeze()
    working = asyncio.create_task(controllers.run())
    working.add_done_callback(lambda task: stop.set())
    server.ready = True
    await stop.wait()
    store.end()
    working.cancel()
    await runner.cleanup()
    store.close()


if __name__ == "__main__":
    main()
