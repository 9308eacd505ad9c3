"""Pure: why a run fails, or receives no traces, from the conditions of its Architecture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spiko_cli.running.run_spec import RunOptions, RunSpec
from spiko_operator.plan.conditions import EXPORTING

Conditions = Mapping[str, Mapping[str, Any]]  # by type


def explain_not_accepted(name: str, options: RunOptions, conditions: Conditions) -> str:
    """Return why an Architecture is not accepted; empty if it is, or if that is not known yet."""
    accepted = conditions.get("Accepted", {})
    if accepted.get("status") != "False":
        return ""
    text = f'architecture "{name}" is not accepted: {accepted["message"]}'
    if options.endpoint and "otlpEndpoint" in text:
        return f"{text}; --no-traces runs it without traces"
    return text


def explain_not_ready(name: str, options: RunOptions, conditions: Conditions) -> str:
    """Return why an Architecture is not ready when the time is up."""
    if not conditions:
        return (
            f'no operator has reconciled architecture "{name}" within {options.timeout_s:.0f} s: install the'
            f' Spiko operator, or check that it is running and watches namespace "{options.namespace}"'
        )
    waiting = (str(c["message"]) for c in conditions.values() if c["status"] != "True")
    reason = next(waiting, "it is not reconciled completely")
    return (
        f'architecture "{name}" is not ready after {options.timeout_s:.0f} s: {reason};'
        " allow more time with --timeout"
    )


def explain_no_spans(spec: RunSpec, endpoint: str, requests: int, conditions: Conditions) -> str:
    """Return why no spans arrived at the receiver of a run, in one line; empty if none were to be expected.

    Args:
        spec: what was run.
        endpoint: of the receiver.
        requests: of the sources.
        conditions: after the traffic.
    """
    telemetry = spec.architecture["spec"].get("telemetry") or {}
    if not requests or telemetry.get("samplesPerMillion") == 0:
        return ""
    exporting = conditions.get(EXPORTING, {})
    failure = ""
    if exporting.get("status") == "False":
        failure = f" ({' '.join(str(exporting['message']).removeprefix(endpoint).split())})"
    return (
        f"no spans arrived at {endpoint}: pods of this cluster cannot reach this address{failure};"
        " use --otlp-listen ADDRESS, or --no-traces"
    )
