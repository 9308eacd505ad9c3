"""Pure: the findings of `spiko lint`: what can be wrong with a manifest, each with a stable code, and what to do about it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from spiko_operator.api.common import API_VERSION

CLOSE_RATIO = 0.6  # of difflib, 0 to 1


class Severity(StrEnum):
    """An error is not carried out; a warning is, and is probably not what was meant."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Rule:
    """One thing that can be wrong. `reason` is the condition's word; `meaning` and `remedy` make the reference page."""

    code: str
    reason: str
    severity: Severity
    meaning: str
    remedy: str


E, W = Severity.ERROR, Severity.WARNING
RULES = {
    rule.reason: rule
    for rule in (
        Rule("SPK001", "NotYaml", E, "The file cannot be read as YAML.", "Mend the syntax at the line given."),
        Rule("SPK002", "WrongKind", E, "apiVersion or kind is not one of Spiko's.", f"Write apiVersion: {API_VERSION} and kind: Architecture or Fault."),
        Rule("SPK003", "BadObjectName", E, "metadata.name cannot name an Architecture: every derived name starts with it.", "Use 1 to 24 of a-z, 0-9 and -, starting with a letter."),
        Rule("SPK004", "ForeignKind", W, "The document is of another API; it was passed over.", "Nothing to do."),
        Rule("SPK010", "UnknownField", E, "The resource has no such field.", "Remove it, or spell it as suggested."),
        Rule("SPK011", "MissingField", E, "A required field is missing.", "Add it."),
        Rule("SPK012", "WrongType", E, "The value has the wrong type; numbers are whole, and true and false are none.", "Write a value of the type named."),
        Rule("SPK013", "OutOfRange", E, "The number lies outside its range.", "Choose one within."),
        Rule("SPK014", "TooLong", E, "The text or list is too long, or too short.", "Shorten it; split a very large Architecture in two."),
        Rule("SPK015", "BadName", E, "The text cannot be a label, and names become labels.", "Use letters, digits and -, starting and ending with a letter or digit."),
        Rule("SPK016", "UnknownValue", E, "The value is none of those allowed.", "Use one of them."),
        Rule("SPK020", "UnknownDependency", E, "A dependency names no tier.", "Name a tier of this Architecture."),
        Rule("SPK021", "UnknownVictim", E, "The victim names no tier.", "Name a tier of this Architecture."),
        Rule("SPK022", "DuplicateTier", E, "Two tiers have one name.", "Rename one."),
        Rule("SPK023", "NameCollision", E, "Two tiers would share the names of their Kubernetes objects.", "Rename one so that they differ in more than case."),
        Rule("SPK024", "ReservedName", E, "The tier's objects would collide with the registry's or the memory's.", "Rename the tier."),
        Rule("SPK025", "DuplicateDependency", E, "A dependency is named twice.", "Remove one."),
        Rule("SPK030", "UnreachableDependency", E, "A karyon or zuul sees its own zone only, and this dependency has no instance there.", "Make the caller a monolith, or give the dependency instances in zones."),
        Rule("SPK031", "PartialSight", W, "A karyon or zuul sees its own zone only, and in some zones the dependency has no instance.", "Raise the dependency's count to the number of zones."),
        Rule("SPK032", "NoSource", W, "No denominator: nothing sends requests.", "Add a tier of package denominator."),
        Rule("SPK033", "UnreachedTier", W, "No source reaches the tier.", "Let a tier depend on it, or remove it."),
        Rule("SPK034", "IdleSource", W, "A denominator without dependencies has nobody to send to.", "Give it a dependency."),
        Rule("SPK035", "LoadWithoutSource", E, "Only a source (package denominator) sends requests of its own.", "Remove load, or make the tier a denominator."),
        Rule("SPK036", "DependencyCycle", W, "Tiers that pass requests on depend on each other in a circle: a request may go round until its deadline.", "Break the circle, or give its tiers other dependencies, to which most requests turn off."),
        Rule("SPK037", "IdleRouter", W, "An elb, zuul, karyon or monolith that is called passes requests on, and has nobody to pass them to: they all fail with no_route.", "Give it a dependency, or make it a store."),
        Rule("SPK038", "CalledSource", W, "A denominator that is called passes on what it gets, besides the requests of its own.", "Depend on what the source depends on, or make it an elb."),
        Rule("SPK040", "AllWeightsZero", E, "Every weight of the split is 0, so no version would get requests.", "Give at least one version a weight above 0."),
        Rule("SPK041", "UndeclaredVersion", E, "The split names a version that the service does not declare.", "Declare it under versions, or name another."),
        Rule("SPK042", "MixedMajors", E, "Versions of different majors in one split: their interfaces differ.", "Split within one major."),
        Rule("SPK043", "DuplicateVersion", E, "A version is declared, or split, twice.", "Remove one."),
        Rule("SPK050", "BadServiceTime", E, "The service time is not exactly one distribution, or its percentiles contradict each other.", "Give either constant or lognormal; p99Microseconds must be above medianMicroseconds."),
        Rule("SPK070", "BadKill", E, "A kill names exactly one of tier and pod, a grace period only with Delete, and Crash no eureka.", "Remove one of the two."),
        Rule("SPK071", "BadCount", E, "A kill's count and percent exclude each other, and like version, region and zone they choose among a tier's pods.", "Remove one, or name a tier."),
        Rule("SPK072", "UnknownTarget", E, "The Fault's tier is none of the Architecture of that name in the same set of files.", "Name a tier of that Architecture."),
        Rule("SPK073", "UnknownPod", W, "The name of the Fault's pod is that of no tier and version of the Architecture of that name in the same set of files.", "Take a name from kubectl get pods, or name a tier."),
        Rule("SPK074", "UnknownScope", E, "The Fault's version, region or zone is none of that tier in the Architecture of that name in the same set of files.", "Name one that it has; kubectl get pods -L spiko.dev/version,spiko.dev/region,spiko.dev/zone shows them."),
        Rule("SPK075", "MonkeyWithoutVictim", E, "The monkey is on, but spec.victim does not say on which tier it works.", "Name a tier in spec.victim, or switch the monkey off."),
        Rule("SPK076", "BadMonkey", E, "minSeconds exceeds meanSeconds: the mean time between kills cannot be shorter than the least.", "Lower minSeconds, or raise meanSeconds."),
        Rule("SPK077", "IdleMonkey", W, "The victim tier has one instance: the monkey never ends the last pod of a tier.", "Raise the tier's count, or choose another victim."),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `path` is such as spec.services[2].count, also for what is missing."""

    reason: str
    severity: Severity
    path: str
    value: str
    message: str
    hint: str = ""

    @property
    def code(self) -> str:
        """The stable code."""
        return RULES[self.reason].code


def found(reason: str, path: str, value: Any, message: str, hint: str = "") -> Finding:
    """Make a finding; the severity is the rule's."""
    rule = RULES[reason]
    return Finding(reason, rule.severity, path, shorten(value), message, hint or rule.remedy)


def shorten(value: Any, most: int = 60) -> str:
    """A value as people can read it: JSON, cut.

    >>> shorten("x" * 100, 10)
    '"xxxxxxxx…'
    """
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= most else text[: most - 1] + "…"


def nearest(word: str, known: Iterable[str]) -> str:
    """A suggestion, or nothing. It takes some 10 us for each word that is known: where many words may be wrong, `Nearest` makes a few.

    As difflib.get_close_matches finds it, which compares whatever is close enough; this compares only what may be closer than the best so far.

    >>> nearest("memcached", ["memcache", "www"])
    'did you mean "memcache"?'
    """
    best, closest = "", CLOSE_RATIO
    matcher = difflib.SequenceMatcher()
    matcher.set_seq2(word[:64])
    for candidate in known:
        matcher.set_seq1(candidate)
        bounds = (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio)
        if all(bound() > closest for bound in bounds):
            best, closest = candidate, matcher.ratio()
    return f'did you mean "{best}"?' if best else ""


class Nearest:
    """Suggestions for the first few words only: a file whose every word is wrong is no collection of typing errors.

    >>> suggest = Nearest(most=1)
    >>> suggest("wwww", ["www"]), suggest("wwww", ["www"])
    ('did you mean "www"?', '')
    """

    def __init__(self, most: int = 10) -> None:
        self._left = most

    def __call__(self, word: str, known: Iterable[str]) -> str:
        """A suggestion, or nothing."""
        self._left -= 1
        return nearest(word, known) if self._left >= 0 else ""
