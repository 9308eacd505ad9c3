"""The reasons of the conditions in the status of an Architecture and of a Fault.

`Accepted` may also have the reason of a lint finding: see `plan/validation/findings.py`. The condition
`Injected` of a Fault without kills has the state of its first victim.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Reason of a condition. The values are part of the API: programs compare them."""

    # Every condition but Accepted
    NOT_OBSERVED = "NotObserved"

    # Accepted
    VALID = "Valid"
    INVALID = "Invalid"
    VERSION_CONFLICT = "VersionConflict"
    NAME_TAKEN = "NameTaken"

    # Applied
    ALL_APPLIED = "AllApplied"
    REFUSED = "Refused"

    # Programmed
    PENDING = "Pending"
    ALL_PODS_ACKNOWLEDGED = "AllPodsAcknowledged"
    UNKNOWN_REVISION = "UnknownRevision"

    # Ready
    ALL_TIERS_READY = "AllTiersReady"
    PODS_MISSING = "PodsMissing"

    # StateVerified
    STATE_REBUILT = "StateRebuilt"
    SIGNATURE_VALID = "SignatureValid"

    # PodsVerified
    ALL_PODS_KNOWN = "AllPodsKnown"
    UNKNOWN_POD = "UnknownPod"

    # ZonesLabeled
    LABELED = "Labeled"
    LOGICAL_ZONES = "LogicalZones"
    MORE_ZONES = "MoreZones"
    ZONES_UNSCHEDULABLE = "ZonesUnschedulable"
    ZONES_WITHOUT_NODES = "ZonesWithoutNodes"

    # RuntimeOutdated
    RUNTIME_CURRENT = "RuntimeCurrent"
    OTHER_IMAGE = "OtherImage"
    EARLIER_RENDERER = "EarlierRenderer"

    # Serving
    REQUESTS_ANSWERED = "RequestsAnswered"
    REQUESTS_FAIL = "RequestsFail"

    # Exporting
    SPANS_EXPORTED = "SpansExported"
    EXPORT_FAILS = "ExportFails"

    # Accepted, of a Fault
    ARCHITECTURE_NOT_FOUND = "ArchitectureNotFound"
    ARCHITECTURE_NOT_READY = "ArchitectureNotReady"
    DELETE_NOT_ALLOWED = "DeleteNotAllowed"
    EUREKA_CANNOT_CRASH = "EurekaCannotCrash"
    FEWER_READY = "FewerReady"
    NO_READY_POD = "NoReadyPod"
    POD_NOT_FOUND = "PodNotFound"
    POD_TAKEN = "PodTaken"
    REGION_NOT_FOUND = "RegionNotFound"
    TIER_NOT_FOUND = "TierNotFound"
    TOO_MANY_VICTIMS = "TooManyVictims"
    VERSION_NOT_FOUND = "VersionNotFound"
    ZONE_NOT_FOUND = "ZoneNotFound"

    # Injected and Ended, of a Fault
    ARCHITECTURE_GONE = "ArchitectureGone"
    DRY_RUN = "DryRun"
    EVIDENCE_COMPLETE = "EvidenceComplete"
    EVIDENCE_LOST = "EvidenceLost"
    EVIDENCE_PARTIAL = "EvidencePartial"
    KILLED = "Killed"
    KILLED_SOME = "KilledSome"
