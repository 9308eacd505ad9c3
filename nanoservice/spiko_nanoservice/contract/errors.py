"""The error of the contract."""

from __future__ import annotations


class ContractError(ValueError):
    """A message that violates the contract; it names the field, the value and what is allowed."""
