"""`python -m kube_devserver`: the API server and the controllers in one process, until SIGTERM or the end of
a lifeline.
"""

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
from datetime import UTC, datetime
from pathlib import Path

from kube_devserver.api.authentication import read_tokens
from kube_devserver.api.http_listener import HttpListener, Limits, UnprovenConnections
from kube_devserver.api.kubelet_proxy import Kubelets
from kube_devserver.api.server import ApiServer
from kube_devserver.api.verbs import Verbs
from kube_devserver.controllers.manager import Controllers
from kube_devserver.objects.resource_registry import Registry
from kube_devserver.storage.memory import map_large_blocks
from kube_devserver.storage.store import DamagedError, Store

MOST_FILES = 1 << 20  # where the system sets no limit
# Share of all files for requests that are not watches and for connections to kubelets; unproven connections
# take at most half of it.
RESERVED_FILES = 0.2


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m kube_devserver")
    parser.add_argument("--port", type=int, required=True, help="TCP port on 127.0.0.1")
    parser.add_argument("--data", type=Path, required=True, help="SQLite file with all objects")
    parser.add_argument("--pki", type=Path, required=True, help="folder with certificates and tokens.csv")
    parser.add_argument("--lifeline", type=int, default=-1, help="file descriptor whose end ends the server")
    parser.add_argument("--reset-hint", default="", help="how to remove data that cannot be read")
    arguments = parser.parse_args()
    form = "%(asctime)s %(levelname)s %(name)s %(message)s"
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format=form)
    # It would log every request that is not HTTP.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(arguments))
        except DamagedError as error:
            hint = arguments.reset_hint or f"remove {arguments.data} and start again with an empty cluster"
            sys.exit(f"{error}. To fix it: {hint}")


def _raise_file_limit() -> int:
    """Allow this process as many open files as the system does; returns the number."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = most if most != resource.RLIM_INFINITY else MOST_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


async def _serve(arguments: argparse.Namespace) -> None:
    map_large_blocks()
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if arguments.lifeline >= 0:
        loop.add_reader(arguments.lifeline, os._exit, 1)
    pki: Path = arguments.pki
    store = Store(arguments.data)
    verbs = Verbs(store, Registry(), lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    controllers = Controllers(verbs, (pki / "ca.crt").read_text())
    controllers.prepare()
    most_files = _raise_file_limit()
    most_unproven = min(Limits.connections, int(most_files * RESERVED_FILES / 2))
    unproven = UnprovenConnections(Limits(most_unproven))
    most_watches = int(most_files * (1 - RESERVED_FILES))
    tokens = read_tokens(pki / "tokens.csv")
    server = ApiServer(verbs, Kubelets(store, pki), tokens, most_watches, unproven.prove)
    listener = HttpListener(server.application, server_context(pki), unproven)
    await listener.listen("127.0.0.1", arguments.port)
    # What exists now lives as long as the process: the garbage collector need not visit it. The second
    # collection makes its number count no more: a full one waits until a quarter as many objects are new.
    gc.collect()
    gc.freeze()
    gc.collect()
    running = asyncio.create_task(controllers.run())
    running.add_done_callback(lambda task: stop.set())
    server.ready = True
    await stop.wait()
    store.end()
    running.cancel()
    await listener.close()
    store.close()


def server_context(pki: Path) -> ssl.SSLContext:
    """TLS of the server, with the certificate of a folder."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
    context.set_alpn_protocols(["http/1.1"])
    return context


if __name__ == "__main__":
    main()
