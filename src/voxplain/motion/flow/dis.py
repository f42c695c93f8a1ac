"""Dense inverse search flow by OpenCV."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from .base import FLOWS, flow_by_pairs

_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}


@FLOWS("dis", source="Kroeger et al. 2016, by OpenCV")
def dis(frames: np.ndarray, *, preset: Literal["ultrafast", "fast", "medium"] = "medium") -> np.ndarray:
    """Dense inverse search: the fastest estimator here.

    Parameters
    ----------
    frames : (T, H, W, 3) uint8 array
    preset : {"ultrafast", "fast", "medium"}
        OpenCV's speed presets.

    Returns
    -------
    (T-1, H, W, 2) float32 array
        (dx, dy) in pixels per frame.
    """
    estimator = cv2.DISOpticalFlow.create(_PRESETS[preset])
    return flow_by_pairs(frames, lambda a, b: estimator.calc(a, b, None))
