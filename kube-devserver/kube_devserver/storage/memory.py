"""Free memory that is given back to the system."""

from __future__ import annotations

import ctypes

_libc = ctypes.CDLL(None)


def give_back() -> None:
    """Return free memory to the system; does nothing where the C library cannot.

    glibc keeps free pages that lie between used ones, for ever if nothing large is allocated again.
    """
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
