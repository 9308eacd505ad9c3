"""Errors of the API server.

DevServerError           a condition that the caller or the operator of the server can act on
├── StatusError          a request is answered with a Status of failure (api_errors)
├── TooLargeError        an object exceeds the size limit (storage.store)
└── DamagedError         the store's file cannot be read (storage.store)
"""

from __future__ import annotations


class DevServerError(Exception):
    """A message for people: what is wrong, and what to do."""
