"""Errors of the command line.

SpikoError          a message for the user
├── ClusterError    no cluster, the wrong one, or no answer
├── Interrupted     Ctrl-C, before there was anything to report
└── NotYaml         a file or document that kubectl would not read either
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


class NotYaml(SpikoError):
    """A file or document is not YAML that kubectl would read; `at` is the line and column, from 1."""

    def __init__(self, message: str, at: tuple[int, int]) -> None:
        super().__init__(message)
        self.at = at
