"""Pure: the rules of `spiko lint`, each with a stable code and a remedy."""

from __future__ import annotations

from spiko_operator.api.common import API_VERSION
from spiko_operator.plan.validation.limit_table import LIMIT_RULES
from spiko_operator.plan.validation.rule import Rule, Severity
from spiko_operator.plan.validation.runtime_table import RUNTIME_RULES

E, W = Severity.ERROR, Severity.WARNING
RULES = {
    rule.reason: rule
    for rule in (
        Rule(
            "SPK001",
            "NotYaml",
            E,
            "The file is not valid YAML.",
            "Fix the YAML syntax at the reported line.",
        ),
        Rule(
            "SPK002",
            "WrongKind",
            E,
            "apiVersion or kind does not belong to Spiko.",
            f"Set apiVersion: {API_VERSION} and kind: Architecture or Fault.",
        ),
        Rule(
            "SPK003",
            "BadObjectName",
            E,
            "metadata.name is not a valid name of an Architecture. The names of all owned objects begin "
            "with it.",
            "Use 1 to 24 of a-z, 0-9 and -, starting with a letter.",
        ),
        Rule(
            "SPK004",
            "ForeignKind",
            W,
            "The document belongs to another API and was skipped.",
            "No action needed.",
        ),
        Rule(
            "SPK010",
            "UnknownField",
            E,
            "The resource does not have this field.",
            "Remove the field, or use the suggested spelling.",
        ),
        Rule(
            "SPK011",
            "MissingField",
            E,
            "A required field is missing.",
            "Add the field.",
        ),
        Rule(
            "SPK012",
            "WrongType",
            E,
            "The value has the wrong type. Numbers must be integers; booleans are not numbers.",
            "Write a value of the reported type.",
        ),
        Rule(
            "SPK013",
            "OutOfRange",
            E,
            "The number is out of range.",
            "Use a number within the range.",
        ),
        Rule(
            "SPK014",
            "TooLong",
            E,
            "The text or list is too long, or too short.",
            "Adjust its length. Split a very large Architecture into two.",
        ),
        Rule(
            "SPK015",
            "BadName",
            E,
            "The text is not a valid label value. Names become labels.",
            "Use letters, digits and -, starting and ending with a letter or digit.",
        ),
        Rule(
            "SPK016",
            "UnknownValue",
            E,
            "The value is not one of the allowed values.",
            "Use one of the allowed values.",
        ),
        Rule(
            "SPK020",
            "UnknownDependency",
            E,
            "A dependency is not a tier of this Architecture.",
            "Use the name of a tier of this Architecture.",
        ),
        Rule(
            "SPK021",
            "UnknownVictim",
            E,
            "The victim is not a tier of this Architecture.",
            "Use the name of a tier of this Architecture.",
        ),
        Rule(
            "SPK022",
            "DuplicateTier",
            E,
            "Two tiers have the same name.",
            "Rename one of them.",
        ),
        Rule(
            "SPK023",
            "NameCollision",
            E,
            "Two tiers would have Kubernetes objects with the same names.",
            "Rename one of the tiers; the names must differ in more than case.",
        ),
        Rule(
            "SPK024",
            "ReservedName",
            E,
            "The tier's objects would have the names of the eurekas' objects or of the state ConfigMap.",
            "Rename the tier.",
        ),
        Rule(
            "SPK025",
            "DuplicateDependency",
            E,
            "A dependency is listed twice.",
            "Remove one of the two entries.",
        ),
        Rule(
            "SPK026",
            "NameTaken",
            E,
            "Two Architectures of a namespace would have Kubernetes objects with the same names. The "
            "operator runs one of them: the one that runs already, else the older one.",
            "Rename the Architecture or the tier.",
        ),
        Rule(
            "SPK030",
            "UnreachableDependency",
            E,
            "A karyon or zuul calls instances in its own zone only and sees none of this dependency, or a "
            "tier sees no dependency at all in a region whose requests reach it.",
            "Run the dependency in all zones and regions of the caller, or use package monolith for the "
            "caller.",
        ),
        Rule(
            "SPK031",
            "PartialSight",
            W,
            "Some instances of the caller see no instance of this dependency: it is not in their region, or "
            "not in the zone of a karyon or zuul.",
            "Raise the dependency's count to the number of zones, and its regions to those of the caller.",
        ),
        Rule(
            "SPK032",
            "NoSource",
            W,
            "No tier is a denominator, so nothing sends requests.",
            "Add a tier of package denominator.",
        ),
        Rule(
            "SPK033",
            "UnreachedTier",
            W,
            "No source can reach the tier.",
            "Add the tier to the dependencies of a reachable tier, or remove it.",
        ),
        Rule(
            "SPK034",
            "IdleSource",
            W,
            "A denominator has no dependency to send requests to.",
            "Add a dependency.",
        ),
        Rule(
            "SPK035",
            "LoadWithoutSource",
            E,
            "Only a source (package denominator) sends requests of its own.",
            "Remove load, or use package denominator.",
        ),
        Rule(
            "SPK036",
            "DependencyCycle",
            W,
            "Dependency cycle between forwarding tiers: a request may loop until its deadline.",
            "Break the cycle, or add dependencies that route most requests out of it.",
        ),
        Rule(
            "SPK037",
            "IdleRouter",
            W,
            "An elb, zuul, karyon or monolith that is called forwards requests, and has no dependency to "
            "forward them to: all of them fail with no_route.",
            "Add a dependency, or use package store.",
        ),
        Rule(
            "SPK038",
            "CalledSource",
            W,
            "A denominator that is called forwards these requests in addition to its own.",
            "Depend on the denominator's dependencies instead, or use package elb.",
        ),
        Rule(
            "SPK040",
            "AllWeightsZero",
            E,
            "Every weight of the split is 0, so no version would receive requests.",
            "Give at least one version a weight above 0.",
        ),
        Rule(
            "SPK041",
            "UndeclaredVersion",
            E,
            "The split has a version that the service does not declare.",
            "Declare the version under versions, or use a declared version.",
        ),
        Rule(
            "SPK042",
            "MixedMajors",
            E,
            "The split has versions of different majors, whose interfaces differ.",
            "Split between versions of one major only.",
        ),
        Rule(
            "SPK043",
            "DuplicateVersion",
            E,
            "A version is declared twice, or has two weights.",
            "Remove one of the two entries.",
        ),
        Rule(
            "SPK044",
            "WeightWithoutReplicas",
            W,
            "A version has a weight and no replicas: the other versions get its share of the requests.",
            "Set its weight to 0, or its replicas to 1 or more.",
        ),
        Rule(
            "SPK045",
            "SkewedSplit",
            W,
            "The share of requests that a version gets differs from its weight by more than a tenth: callers "
            "that see no instance of a version send its share to the others.",
            "Give each version at least as many replicas as there are zones, or use package monolith for the "
            "callers.",
        ),
        Rule(
            "SPK050",
            "BadServiceTime",
            E,
            "The service time does not have exactly one distribution, or its percentiles contradict each "
            "other.",
            "Give either constant or lognormal; p99Microseconds must be above medianMicroseconds.",
        ),
        Rule(
            "SPK060",
            "UnlikelyEndpoint",
            W,
            "The otlpEndpoint is a URL that is unlikely to take spans over OTLP/HTTP: the port of gRPC, or a "
            "path that is not a base.",
            "Use the base URL of a collector, such as http://collector:4318 or https://otlp.example.",
        ),
        Rule(
            "SPK070",
            "BadKill",
            E,
            "A kill must have exactly one of tier and pod, a grace period only with method Delete, and "
            "cannot crash eurekas.",
            "Remove one of the conflicting fields.",
        ),
        Rule(
            "SPK071",
            "BadCount",
            E,
            "A kill's count and percent exclude each other. Both, and version, region and zone, select "
            "among a tier's pods.",
            "Remove one of them, or give tier instead of pod.",
        ),
        Rule(
            "SPK072",
            "UnknownTarget",
            E,
            "The Architecture in these files does not have the Fault's tier.",
            "Use the name of a tier of that Architecture.",
        ),
        Rule(
            "SPK073",
            "UnknownPod",
            W,
            "No tier and version of the Architecture in these files has pods with the name of the Fault's "
            "pod.",
            "Copy a name from kubectl get pods, or give tier instead of pod.",
        ),
        Rule(
            "SPK074",
            "UnknownScope",
            E,
            "The tier in the Architecture in these files does not have the Fault's version, region or zone.",
            "Use a value of that tier: kubectl get pods -L "
            "spiko.dev/version,spiko.dev/region,spiko.dev/zone lists them.",
        ),
        Rule(
            "SPK075",
            "MonkeyWithoutVictim",
            E,
            "The chaos monkey is switched on, but spec.victim does not say which tier it targets.",
            "Set spec.victim to a tier, or switch the monkey off.",
        ),
        Rule(
            "SPK076",
            "BadMonkey",
            E,
            "minSeconds exceeds meanSeconds: the mean time between kills cannot be shorter than the "
            "shortest time.",
            "Lower minSeconds, or raise meanSeconds.",
        ),
        Rule(
            "SPK077",
            "IdleMonkey",
            W,
            "The victim tier has one instance, and the monkey never kills the last pod of a tier.",
            "Raise the tier's count, or use another tier as victim.",
        ),
        Rule(
            "SPK079",
            "AbsentArchitecture",
            W,
            "The files do not have the Fault's Architecture, so tier, version, region, zone and pod were not "
            "checked.",
            "Give the Architecture's file as well, or ignore this if the cluster has it.",
        ),
        *RUNTIME_RULES,
        *LIMIT_RULES,
    )
}
