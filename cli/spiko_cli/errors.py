"""Errors of the command line.

SpikoError          something the user can act on; the message says how
└── ClusterError    no cluster, the wrong one, or it does not answer
"""

from __future__ import annotations


class SpikoError(Exception):
    """A message for the user: what is wrong, and what to type next."""

    exit_code = 1


class ClusterError(SpikoError):
    """No cluster could be reached, or it lacks what the command needs."""
