"""Errors of the local cluster.

LocalError               something the user can act on; the message says how
├── NotUp                no local cluster runs
├── AlreadyUp            one runs already
├── PartFailed           a part of the cluster did not start; carries the end of its log
├── NodesError           the nodes file says something that cannot be done
└── ApiError             the API server refused or did not answer
"""

from __future__ import annotations


class LocalError(Exception):
    """A message for the user: what is wrong, and what to do."""


class NotUp(LocalError):
    """No local cluster runs."""


class AlreadyUp(LocalError):
    """A local cluster runs already."""


class PartFailed(LocalError):
    """A part of the cluster did not start."""


class NodesError(LocalError):
    """The nodes file names something unknown, or nothing."""


class ApiError(LocalError):
    """The API server refused a request or did not answer; `status` is 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
