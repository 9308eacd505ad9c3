"""Pure: the conditions `Serving` and `Exporting` of an Architecture."""

from __future__ import annotations

from collections.abc import Sequence

from spiko_operator.api.reasons import Reason
from spiko_operator.plan.conditions import EXPORTING, SERVING, Observation
from spiko_operator.plan.health import MOST_FAILED, Verdict, Verdicts
from spiko_operator.plan.objects import Object, truncate


def observe_health(verdicts: Verdicts, endpoint: str, before: Sequence[Object]) -> list[Observation]:
    """Return the conditions that have evidence.

    A condition without new evidence stays as it is, for instance after a restart of the operator, unless it
    is about another endpoint than the one in effect.

    Args:
        verdicts: from the eurekas.
        endpoint: in effect; empty for none.
        before: the conditions of the status.
    """
    known = {condition["type"]: condition for condition in before}
    found = []
    serving, exporting = verdicts.serving, verdicts.exporting
    if serving is not None:
        found.append(_serving(serving))
    elif SERVING in known:
        found.append(_kept(known[SERVING]))
    if not endpoint:
        return found
    if exporting is not None and exporting.subject == endpoint:
        found.append(_exporting(exporting))
    elif EXPORTING in known and known[EXPORTING]["message"].startswith(f"{endpoint} "):
        found.append(_kept(known[EXPORTING]))
    return found


def _serving(verdict: Verdict) -> Observation:
    if verdict.holds:
        return Observation(
            SERVING, "True", Reason.REQUESTS_ANSWERED, "the requests of the sources are answered"
        )
    worst = f"; worst edge: {verdict.detail}" if verdict.detail else ""
    text = f"more than {MOST_FAILED} % of the requests of the sources fail{worst}"
    return Observation(SERVING, "False", Reason.REQUESTS_FAIL, truncate(text))


def _exporting(verdict: Verdict) -> Observation:
    # `observe_health` recognizes the endpoint by the beginning of the message.
    if verdict.holds:
        text = f"{verdict.subject} takes the spans of the pods"
        return Observation(EXPORTING, "True", Reason.SPANS_EXPORTED, text)
    text = f"{verdict.subject} does not take the spans of {verdict.detail}"
    return Observation(EXPORTING, "False", Reason.EXPORT_FAILS, truncate(text))


def _kept(condition: Object) -> Observation:
    return Observation(condition["type"], condition["status"], condition["reason"], condition["message"])
