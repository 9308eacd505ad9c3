"""Pure: the runtime that is recorded when `spec.runtime` is accepted, and whether it is that of today.

The pods of tiers keep the recorded runtime until `spec.runtime` changes: a new operator restarts none.
"""

from __future__ import annotations

from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.api.reasons import Reason
from spiko_operator.plan.conditions import RUNTIME_OUTDATED, Observation
from spiko_operator.plan.objects import Object
from spiko_operator.plan.pod_template import FIRST_RENDERER, RENDERER


def record_runtime(spec: ArchitectureSpec, image: str) -> Object:
    """Return the runtime to record: plain values.

    Args:
        spec: that is accepted.
        image: the operator's default image.
    """
    given = spec.runtime.model_dump(mode="json", by_alias=True, exclude_none=True) if spec.runtime else {}
    return {"image": image, "renderer": RENDERER} | given


def observe_runtime(recorded: Object, accepted: Object, image: str, renderer: int = RENDERER) -> Observation:
    """Observe whether the recorded runtime differs from what would be recorded today.

    Args:
        recorded: the runtime of the state.
        accepted: the spec in effect, as plain values.
        image: the operator's default image.
        renderer: the operator's revision of the pod template.
    """
    today = (accepted.get("runtime") or {}).get("image") or image
    if recorded["image"] != today:
        text = (
            f"recorded image {recorded['image']}, current image {today}: the pods of tiers keep the recorded "
            f"one; set spec.runtime.image to {today} to replace them"
        )
        return Observation(RUNTIME_OUTDATED, "True", Reason.OTHER_IMAGE, text)
    if (earlier := recorded.get("renderer", FIRST_RENDERER)) < renderer:
        text = (
            f"recorded revision {earlier} of the pod template, current revision {renderer}, with image "
            f"{today}: change a field of spec.runtime to replace the pods, for instance an annotation"
        )
        return Observation(RUNTIME_OUTDATED, "True", Reason.EARLIER_RENDERER, text)
    return Observation(RUNTIME_OUTDATED, "False", Reason.RUNTIME_CURRENT, f"recorded image {today}")
