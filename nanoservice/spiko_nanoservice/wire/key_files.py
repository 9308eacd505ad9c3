"""Reads the keys of a pod from the files of its Secret volume, which the kubelet keeps up to date."""

from __future__ import annotations

from spiko_nanoservice.contract import ContractError
from spiko_nanoservice.contract.handshake import KEY_FILES, EpochKey, Purpose, parse_keys
from spiko_nanoservice.errors import LinkError

MOST_BYTES = 4_096


class KeyFiles:
    """The key files in one directory. They are read for each handshake, so a rotation needs no restart."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def read(self, purpose: Purpose) -> tuple[EpochKey, ...]:
        """Return the keys for a purpose, the highest epoch first.

        Raises:
            LinkError: the file is missing or invalid; the message names the file and shows no key.
        """
        path = f"{self._directory}/{KEY_FILES[purpose]}"
        try:
            with open(path, encoding="ascii") as file:
                return parse_keys(file.read(MOST_BYTES))
        except (OSError, UnicodeDecodeError) as error:
            raise LinkError(f"{path}: cannot be read: {type(error).__name__}") from None
        except ContractError as error:
            raise LinkError(f"{path}: {error}") from None
