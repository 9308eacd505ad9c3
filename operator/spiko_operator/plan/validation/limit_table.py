"""Pure: the rules on what an operator allows, with their codes and remedies."""

from __future__ import annotations

from spiko_operator.plan.validation.rule import Rule, Severity

E = Severity.ERROR
LIMIT_RULES = (
    Rule(
        "SPK080",
        "TooManyPods",
        E,
        "The Architecture asks for more pods than the operator allows: by default 2000. lint warns of the "
        "default.",
        "Lower counts, replicas or scale, or raise SPIKO_MAX_PODS_PER_ARCHITECTURE of the operator.",
    ),
    Rule(
        "SPK081",
        "TooManyObjects",
        E,
        "The Architecture asks for more Deployments, Services and disruption budgets than the operator "
        "allows: by default 5000. lint warns of the default.",
        "Use fewer versions, zones or tiers, or raise SPIKO_MAX_OBJECTS_PER_ARCHITECTURE of the operator.",
    ),
    Rule(
        "SPK082",
        "OperatorLimit",
        E,
        "The Architectures of the operator together ask for more than it allows: by default 5000 pods and "
        "15000 objects.",
        "Delete or shrink an Architecture, or raise SPIKO_MAX_PODS or SPIKO_MAX_OBJECTS of the operator.",
    ),
    Rule(
        "SPK083",
        "ImageNotAllowed",
        E,
        "The operator does not allow the image.",
        "Use an allowed image, or add a pattern to SPIKO_ALLOWED_IMAGES of the operator.",
    ),
    Rule(
        "SPK084",
        "TolerationNotAllowed",
        E,
        "The operator does not allow to tolerate the taint. Without a key, a toleration tolerates every "
        "taint.",
        "Remove the toleration, or add a pattern to SPIKO_ALLOWED_TOLERATIONS of the operator.",
    ),
    Rule(
        "SPK085",
        "CollectorNotAllowed",
        E,
        "The operator does not allow to send spans to the host.",
        "Use an allowed collector, or add a pattern to SPIKO_ALLOWED_COLLECTORS of the operator.",
    ),
)
