"""Errors of the local cluster.

LocalError               a message for the user
├── NotUp                no local cluster is running
├── AlreadyUp            a local cluster is running already
├── ComponentFailed      a component did not start; carries the end of its log
├── NodesError           the nodes file is invalid
└── ApiError             the API server refused a request or did not answer
"""

from __future__ import annotations


class LocalError(Exception):
    """A message for the user: what is wrong, and what to do."""


class NotUp(LocalError):
    """No local cluster is running."""


class AlreadyUp(LocalError):
    """A local cluster is running already."""


class ComponentFailed(LocalError):
    """A component of the cluster did not start."""


class NodesError(LocalError):
    """The nodes file cannot be read, or a field of it is invalid."""


class ApiError(LocalError):
    """The API server refused a request or did not answer; `status` is 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
