"""Runs one pod in this process, or warms this process up so that pods can be forked from it.

The prefork template: on a local cluster one parent process imports the nanoservice, runs a small architecture
on loopback once (`warming.py`), and freezes its garbage collector. Every pod is a fork of that parent.
Modules, interned strings, specialized bytecode and caches then lie on pages that the children share with the
parent until one of them writes to a page; without the exercise each child would make its own copy of most of
them during its first requests.

On SIGTERM or SIGINT a pod deregisters first, serves until no caller routes to it, finishes the requests in
progress, sends its last report, and exits.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Mapping

from spiko_nanoservice.contract import EUREKA
from spiko_nanoservice.errors import SettingsError
from spiko_nanoservice.settings import Settings, read_settings

EXIT_SETTINGS = 78  # EX_CONFIG in sysexits.h


def run(environ: Mapping[str, str]) -> int:
    """Run one pod until SIGTERM or SIGINT and return the exit code of the process.

    Args:
        environ: the environment that describes the pod, as in `contract.ENV_*`.
    """
    _log_to_stdout()
    try:
        settings = read_settings(environ)
    except SettingsError as error:
        logging.getLogger("spiko").error("%s", error)
        return EXIT_SETTINGS
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))
    return 0


def warm() -> None:
    """Turn this process into a prefork template; see the module's docstring.

    Leaves no event loop, socket or task behind.
    """
    import uvloop

    from spiko_nanoservice.process.warming import exercise

    _log_to_stdout()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(exercise())
    gc.collect()
    gc.freeze()


def _log_to_stdout() -> None:
    """Set up logging once.

    A forked pod inherits the handler of its parent, whose stream is the pod's own stdout after the fork.
    """
    if not logging.getLogger().handlers:
        logging.basicConfig(
            stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
        )


async def _serve(settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if settings.lifeline is not None:
        # The pipe becomes readable when the process that supervises the local cluster ends.
        loop.add_reader(settings.lifeline, os._exit, 1)
    # The objects of the start live as long as the process: later collections need not visit them.
    gc.collect()
    gc.freeze()
    if settings.package == EUREKA:
        from spiko_nanoservice.eureka.pod import EurekaPod

        await EurekaPod(settings).run(stop)
    else:
        from spiko_nanoservice.tier.pod import TierPod

        await TierPod(settings).run(stop)
