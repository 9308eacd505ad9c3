"""How the C library allocates memory and gives it back to the system."""

from __future__ import annotations

import ctypes

_libc = ctypes.CDLL(None)
_M_MMAP_THRESHOLD = -3  # of mallopt(3)
_LARGE_BYTES = 128 << 10  # glibc's own threshold before it has freed a larger block


def map_large_blocks() -> None:
    """Give each large block pages of its own, which go back to the system when it is freed.

    uvloop allocates 256 KB for each TLS connection. Once one is freed, glibc takes later ones from the heap,
    where they need all of their pages, and stay between small blocks that are in use. With pages of its own
    a connection needs only those that it has filled. Does nothing where the C library cannot.
    """
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def give_back() -> None:
    """Return free memory to the system; does nothing where the C library cannot.

    glibc keeps free pages that lie between used ones, for ever if nothing large is allocated again.
    """
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
