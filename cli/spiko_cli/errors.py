"""Errors of the command line.

SpikoError          a message for the user
├── ClusterError    no cluster, the wrong one, or no answer
└── Interrupted     Ctrl-C, before there was anything to report
"""

from __future__ import annotations


class SpikoError(Exception):
    """A message for the user: what is wrong, and what to type next."""

    exit_code = 1


class ClusterError(SpikoError):
    """No cluster could be reached, or it lacks what the command needs."""


class Interrupted(SpikoError):
    """The user has interrupted the command."""

    exit_code = 130  # 128 + SIGINT, as shells report it
