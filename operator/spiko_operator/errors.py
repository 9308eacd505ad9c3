"""Errors of the operator.

OperatorError
├── SpecError        a resource says something that cannot be done; carries findings with field paths
├── PlanError        a caller's mistake inside planning: a programming error
├── ClusterError     the API server refused or did not answer; chained to the library's error
│   ├── Conflict     409: somebody else was there first, or a precondition failed
│   ├── Missing      404
│   ├── Invalid      422 or 400: the API server refuses the object
│   └── Throttled    429: eviction refused by a budget, or too many requests
└── LinkError        a eureka could not be reached
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


class Conflict(ClusterError):
    """409: the object exists already, is somebody else's, or a precondition failed."""


class Missing(ClusterError):
    """404: no such object."""


class Invalid(ClusterError):
    """400 or 422: the API server refuses the object as it is."""


class Throttled(ClusterError):
    """429: a disruption budget refuses the eviction, or the server is busy."""


class LinkError(OperatorError):
    """A eureka could not be reached or broke the protocol."""
