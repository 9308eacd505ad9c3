"""Types that all resources share: the strict base model, bounded strings, conditions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

GROUP = "spiko.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

MAX_ARCHITECTURE_NAME = 24
# <architecture>-<tier> is the name of a Service, which has at most 63 characters.
MAX_TIER_NAME = 38
MAX_SERVICES = 1_000
MAX_VERSIONS = 8
MAX_DEPENDENCIES = 32

ARCHITECTURE_NAME_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"  # a Service's name starts with a letter
TIER_NAME_PATTERN = (
    r"^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?$"  # a label value, and in lower case part of a DNS name
)
VERSION_PATTERN = r"^(0|[1-9]\d{0,4})\.(0|[1-9]\d{0,4})\.(0|[1-9]\d{0,4})$"
PLACE_PATTERN = r"^[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$"  # a label value

LABEL_VALUE_PATTERN = r"^([A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?)?$"
OBJECT_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"  # a DNS name
MAX_POD_ENTRIES = 16  # of each map that all pods get

TierName = Annotated[str, Field(min_length=1, max_length=MAX_TIER_NAME, pattern=TIER_NAME_PATTERN)]
VersionName = Annotated[str, Field(max_length=17, pattern=VERSION_PATTERN)]
PlaceName = Annotated[str, Field(min_length=1, max_length=63, pattern=PLACE_PATTERN)]
ImageName = Annotated[str, Field(min_length=1, max_length=255)]
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=OBJECT_NAME_PATTERN)]
LabelValue = Annotated[str, Field(max_length=63, pattern=LABEL_VALUE_PATTERN)]
AnnotationValue = Annotated[str, Field(max_length=1024)]
Count = Annotated[int, Field(ge=0)]
PerMillion = Annotated[int, Field(ge=0, le=1_000_000)]
Quantity = Annotated[str, Field(max_length=20, pattern=r"^\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi)?$")]


class Model(BaseModel):
    """Strict, frozen base of all models.

    Fields are `camelCase` in JSON and `snake_case` in Python; unknown fields are errors.
    """

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_enum_values=False,
    )


class PodRecord(Model):
    """A pod as the operator records it."""

    pod: Annotated[str, Field(max_length=253, description="name of the pod")]
    uid: Annotated[str, Field(max_length=64, description="UID of the pod")]
    tier: Annotated[str, Field(max_length=MAX_TIER_NAME, description="tier of the pod")]
    place: Annotated[str, Field(max_length=128, description="region and zone of the pod")]


class ReplaceablePod(PodRecord):
    """A pod that its ReplicaSet replaces."""

    version: Annotated[str, Field(max_length=17, description="version of the pod")]
    replica_set: Annotated[
        str | None,
        Field(max_length=253, description="ReplicaSet that owns the pod and creates its replacement"),
    ] = None


class Condition(Model):
    """One condition, after the Kubernetes API conventions and KEP-1623."""

    type: Annotated[str, Field(max_length=64, description="type of the condition")]
    status: Annotated[Literal["True", "False", "Unknown"], Field(description="whether the condition holds")]
    reason: Annotated[str, Field(max_length=64, description="why, as one word for programs")]
    message: Annotated[str, Field(max_length=4096, description="why, as a sentence for readers")]
    observed_generation: Annotated[
        int, Field(ge=0, description="generation of the spec that the condition describes")
    ]
    last_transition_time: Annotated[
        str, Field(max_length=32, description="time of the last change of status")
    ]
