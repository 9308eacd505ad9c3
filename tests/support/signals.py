"""Signal dispositions of the processes that tests start: children inherit what the test run ignores."""

from __future__ import annotations

import signal

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def default_interrupts() -> None:
    """Restore the defaults in a child, as its `preexec_fn`.

    `nohup` ignores SIGHUP, and a shell without job control ignores SIGINT of its background jobs.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
    for number in INTERRUPTS:
        signal.signal(number, signal.SIG_DFL)
