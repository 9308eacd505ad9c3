"""Pure: where somebody is, as HTTP writes it."""

from __future__ import annotations


def authority(address: str, port: int) -> str:
    """An address and a port as URLs and Host headers have them.

    >>> authority("10.0.0.1", 8080), authority("fd00::1", 8080)
    ('10.0.0.1:8080', '[fd00::1]:8080')
    """
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
