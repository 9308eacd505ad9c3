"""`python -m spiko_operator`: the entry point of the operator, in its image and on a local cluster."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any, cast

from aiohttp.http import HttpProcessingError

from spiko_operator.errors import SettingsError
from spiko_operator.kopf_retries import ForbiddenLines
from spiko_operator.leader import new_identity
from spiko_operator.settings import read_settings


def is_own_error(record: logging.LogRecord) -> bool:
    """Return whether a record is not about a malformed request: aiohttp logs a traceback for each, with bytes
    of the client. UnicodeEncodeError is that of an Expect header which is not text.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | UnicodeEncodeError)


def main() -> None:
    """Run kopf with the operator's handlers, in all namespaces or in those of the settings."""
    import kopf

    import spiko_operator.main  # noqa: F401  # registers the handlers

    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        sys.exit(f"spiko_operator: {error}")
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)  # it writes a line for every event
    logging.getLogger("aiohttp.server").addFilter(is_own_error)
    for handler in logging.getLogger().handlers:
        handler.addFilter(ForbiddenLines())
    kopf.run(
        standalone=True,
        # By default, kopf asks for the name of the user, and a random user id of a container has none.
        identity=cast(Any, new_identity()),
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
    )


if __name__ == "__main__":
    main()
