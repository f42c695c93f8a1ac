"""Maps that a class's explanation should do better than: of no network, of another class, of a random head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...explaining import activation_control, explain_by_all
from ...models.trained import TrainedModel
from ...motion.controls import pixel_controls


def explained_and_controls(
    model: TrainedModel,
    head: TrainedModel,
    clip: np.ndarray,
    class_name: str,
    other: str,
    explainers: Mapping[str, Mapping[str, Any]],
    *,
    labels: np.ndarray,
    segmentation: Mapping[str, Any],
) -> dict[tuple[str, str], np.ndarray]:
    """Maps of a clip by every explainer, and their controls.

    Parameters
    ----------
    model, head : TrainedModel
        The network, and the same with a random head.
    clip : (T, H, W, 3) uint8
    class_name, other : str
        The class that is explained, and another.
    explainers, segmentation
        As for `voxplain.explaining.explain_by_all`.
    labels : (levels, T, H, W) uint16

    Returns
    -------
    dict of (method, control_of) to (T, H, W) float
        control_of is empty for explainers and for what controls all of them (control_activation and those of
        `voxplain.motion.controls.pixel_controls` but noise), else the explainer (control_other_class,
        control_random_head).
    """
    known = {"labels": np.stack([labels, labels]), "segmentation": segmentation}
    two = explain_by_all(
        model, np.stack([clip, clip]), model.targets([class_name, other]), explainers, **known
    )
    known["labels"] = labels[None]
    untrained = explain_by_all(head, clip[None], head.targets([class_name]), explainers, **known)
    found = {}
    for name, (own, others) in two.items():
        found[name, ""] = own
        found["control_other_class", name] = others
        found["control_random_head", name] = untrained[name][0]
    # Relevant is what is positive, as in all measures: signs cancel within a supervoxel.
    found = {key: values.clip(min=0) for key, values in found.items()}
    found |= {(name, ""): maps[0] for name, maps in activation_control(model, clip[None]).items()}
    return found | pixel_controls(clip)  # random orders are drawn with the curves
