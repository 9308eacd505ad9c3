"""Pure: checks the report of a pod before any of it is counted.

Reports come from every pod every second, so this is written out instead of decoding dataclasses.
"""

from __future__ import annotations

from typing import Any

from spiko_nanoservice.contract import ContractError
from spiko_nanoservice.messages import Message

MOST_EDGES = 1_024
MOST_FAILED_PODS = 4_096
MOST_REASONS = 64
# Calls in one second, with room for the seconds in which no eureka was connected.
MOST_CALLS = 10**9
MOST_NAME, MOST_TEXT = 253, 2_048
# Characters of an encoded histogram: two digits from 1 us to 60 s have fewer buckets than that.
MOST_HISTOGRAM = 65_536
_HISTOGRAMS = ("response", "service", "network")


def check_report(report: Message) -> None:
    """Check every field of a report.

    Raises:
        ContractError: a field is missing, has the wrong type, or is out of bounds.
    """
    edges = _sized("edges", report.get("edges") or [], list, MOST_EDGES)
    for edge in edges:
        _check_sums("edges", edge)
        callee = edge.get("to")
        if not isinstance(callee, list) or len(callee) != 4 or not all(map(_is_name, callee)):
            raise ContractError("edges.to: must be tier, version, region and zone")
    if report.get("served") is not None:
        _check_sums("served", report["served"])
    for id, reasons in _sized("hurt", report.get("hurt") or {}, dict, MOST_FAILED_PODS).items():
        if not _is_name(id):
            raise ContractError("hurt: the keys must be names of at most 253 characters")
        _check_reasons("hurt", reasons)
    _check_count("dropped_spans", report.get("dropped_spans", 0))
    exporting = report.get("exporting")
    if exporting is not None and not (
        isinstance(exporting, list) and len(exporting) == 2 and all(map(_is_text, exporting))
    ):
        raise ContractError("exporting: must be an endpoint and a failure")


def _check_sums(where: str, sums: Any) -> None:
    if not isinstance(sums, dict):
        raise ContractError(f"{where}: must be an object")
    _check_count(f"{where}.ok", sums.get("ok"))
    _check_count(f"{where}.miss", sums.get("miss"))
    _check_count(f"{where}.not_sent", sums.get("not_sent", 0))
    _check_count(f"{where}.writes", sums.get("writes", 0))
    _check_reasons(f"{where}.errors", sums.get("errors"))
    for name in _HISTOGRAMS:
        text = sums.get(name, "")
        if not isinstance(text, str) or len(text) > MOST_HISTOGRAM:
            raise ContractError(f"{where}.{name}: must be a string of at most {MOST_HISTOGRAM} characters")


def _check_reasons(where: str, reasons: Any) -> None:
    for reason, count in _sized(where, reasons, dict, MOST_REASONS).items():
        if not _is_name(reason):
            raise ContractError(f"{where}: the keys must be names of at most {MOST_NAME} characters")
        _check_count(f"{where}.{reason}", count)


def _check_count(where: str, value: Any) -> None:
    # The exact type, because bool is a subclass of int.
    if type(value) is not int or not 0 <= value <= MOST_CALLS:
        raise ContractError(f"{where}: {str(value)[:32]!r}: must be an integer from 0 to {MOST_CALLS}")


def _sized(where: str, value: Any, kind: type[Any], most: int) -> Any:
    if not isinstance(value, kind) or len(value) > most:
        raise ContractError(f"{where}: must be of type {kind.__name__} with at most {most} items")
    return value


def _is_text(text: Any) -> bool:
    return isinstance(text, str) and len(text) <= MOST_TEXT


def _is_name(text: Any) -> bool:
    return isinstance(text, str) and len(text) <= MOST_NAME and text.isprintable()
