"""Reads the Secret for the collector from the files of its volume, which the kubelet keeps up to date."""

from __future__ import annotations

from spiko_nanoservice.contract import ContractError
from spiko_nanoservice.contract.otlp_headers import MOST_HEADERS_BYTES, parse_headers
from spiko_nanoservice.errors import ExportError

HEADERS_FILE, CA_FILE = "headers", "ca.crt"
MOST_CA_BYTES = 262_144


class CollectorSecret:
    """The files in one directory. They are read for each batch, so a new token needs no restart.

    A file or directory that does not exist has no content. Errors never have any content of a file.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def has_headers(self) -> bool:
        """Return whether the Secret has headers, valid or not."""
        return bool(self._read(HEADERS_FILE, MOST_HEADERS_BYTES).strip())

    def read_headers(self) -> bytes:
        """Return whole header lines.

        Raises:
            ExportError: the file cannot be read, or has an invalid line.
        """
        try:
            return parse_headers(self._read(HEADERS_FILE, MOST_HEADERS_BYTES))
        except ContractError as error:
            raise ExportError(f"{HEADERS_FILE} of the Secret: {error}") from None

    def read_authorities(self) -> bytes:
        """Return the CA certificates, in PEM, that are trusted in addition to those of the system.

        Raises:
            ExportError: the file cannot be read, or is too large.
        """
        content = self._read(CA_FILE, MOST_CA_BYTES)
        if len(content) > MOST_CA_BYTES:
            raise ExportError(f"{CA_FILE} of the Secret: must have at most {MOST_CA_BYTES} bytes")
        return content

    def _read(self, name: str, most: int) -> bytes:
        """Return the content of a file, cut behind `most` + 1 bytes."""
        try:
            with open(f"{self._directory}/{name}", "rb") as file:
                return file.read(most + 1)
        except (FileNotFoundError, NotADirectoryError):
            return b""
        except OSError as error:
            raise ExportError(f"{name} of the Secret: cannot be read: {type(error).__name__}") from None
