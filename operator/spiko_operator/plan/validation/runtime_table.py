"""Pure: the rules on `spec.runtime`, with their codes and remedies."""

from __future__ import annotations

from spiko_operator.plan.validation.rule import Rule, Severity

E = Severity.ERROR
RUNTIME_RULES = (
    Rule(
        "SPK055",
        "BadKey",
        E,
        "The key of a label or an annotation of pods, or of a node selector, is not valid.",
        "Use [PREFIX/]NAME: a DNS name as prefix, and at most 63 letters, digits, -, _ and . as name.",
    ),
    Rule(
        "SPK056",
        "ReservedKey",
        E,
        "The key of a label or an annotation of pods, or of a node selector, is set by the operator or by "
        "Kubernetes.",
        "Use another key.",
    ),
    Rule(
        "SPK057",
        "DuplicateSecret",
        E,
        "A Secret is listed twice in imagePullSecrets.",
        "Remove one of the two entries.",
    ),
)
