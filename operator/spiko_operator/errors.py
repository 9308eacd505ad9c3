"""Errors of the operator.

OperatorError
├── SpecError        a resource says something that cannot be done; carries findings with field paths
├── PlanError        a caller's mistake inside planning: a programming error
└── ClusterError     the API server did not answer, or what it says cannot be used; chained to the library's error
    └── Refused      it answered with an error: rights, a quota, an admission webhook
        ├── Conflict     409: somebody else was there first, or a precondition failed
        ├── Missing      404
        ├── Invalid      422 or 400: the API server refuses the object
        └── Throttled    429: eviction refused by a budget, or too many requests
"""

from __future__ import annotations


class OperatorError(Exception):
    """Anything the operator raises on purpose."""


class SpecError(OperatorError):
    """A resource that cannot be carried out; the message names field, value and way out."""


class PlanError(OperatorError):
    """A pure function was called with values that its docstring excludes."""


class ClusterError(OperatorError):
    """The API server refused a request or did not answer it."""


class Refused(ClusterError):
    """The API server answered with an error status.

    Args:
        text: with the request.
        said: the answer's own message.
    """

    def __init__(self, text: str, said: str = "") -> None:
        super().__init__(text)
        self.said = said or text


class Conflict(Refused):
    """409: the object exists already, is somebody else's, or a precondition failed."""


class Missing(Refused):
    """404: no such object."""


class Invalid(Refused):
    """400 or 422: the API server refuses the object as it is."""


class Throttled(Refused):
    """429: a disruption budget refuses the eviction, or the server is busy."""
