"""One pod's process: settings in, signals and lifeline watched, graceful end. Also the warming that a forking parent does once.

SIGTERM: leave the registry first, keep serving until nobody routes here, then finish what is in progress, report, and end.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Mapping
from types import FrameType

from spiko_nanoservice.contract import EUREKA
from spiko_nanoservice.errors import SettingsError
from spiko_nanoservice.settings import Settings, read_settings

EXIT_SETTINGS = 78  # EX_CONFIG


def run(environ: Mapping[str, str]) -> int:
    """Run one pod until it is told to stop; returns the exit code."""
    _log_to_stdout()
    try:
        settings = read_settings(environ)
    except SettingsError as error:
        logging.getLogger("spiko").error("%s", error)
        return EXIT_SETTINGS
    _run_loop(settings)
    return 0


def _log_to_stdout() -> None:
    """Once: a forked pod has its parent's handler, whose stream is by then the pod's own output.

    What no line says (who called, from which thread and process) is not found out: see Optimization in Python's logging HOWTO.
    """
    if not logging.getLogger().handlers:
        logging._srcfile = None
        logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
        logging.basicConfig(
            stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
        )


def _run_loop(settings: Settings) -> None:
    """As `asyncio.Runner` would, but for its SIGINT handler, whose code costs every pod 0.2 MB."""
    import uvloop

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(_live(settings))
    finally:
        loop.run_until_complete(_end_tasks())
        loop.close()


async def _end_tasks() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def _live(settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def end(number: int, frame: FrameType | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)  # `loop.add_signal_handler` inspects its callback, which costs every pod 0.15 MB
    if settings.lifeline is not None:
        loop.add_reader(settings.lifeline, os._exit, 1)  # its end tells that whoever keeps the cluster has gone
    gc.collect()
    gc.freeze()  # what start-up made stays: a full collection need not look at it, and a forked page stays shared
    if settings.package == EUREKA:
        from spiko_nanoservice.eureka.pod import EurekaPod

        await EurekaPod(settings).live(stop)
    else:
        from spiko_nanoservice.tier.pod import TierPod

        await TierPod(settings).live(stop)


def warm() -> None:
    """Import and run what every pod runs, so that forked children share those pages; leaves no loop, socket or task behind."""
    from spiko_nanoservice.process.packing import fill_holes, pack

    _log_to_stdout()
    _exercise()
    gc.collect()
    pack(_exercise, apart="eureka")
    _exercise()  # so that the copies are specialised as well
    gc.collect()
    fill_holes()  # the last round has left some


def _exercise() -> None:
    import uvloop

    from spiko_nanoservice.process.warming import exercise

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(exercise())
