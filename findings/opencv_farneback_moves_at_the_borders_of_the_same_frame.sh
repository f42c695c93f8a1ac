#!/usr/bin/env bash
# OpenCV's calcOpticalFlowFarneback tells how far each pixel moves from one frame to the next. Between a frame and itself
# nothing moves.
#
# One would expect a flow of 0 everywhere, or of rounding errors (1e-6), as DISOpticalFlow has exactly 0.
#
# What happens: inside the frame it is so, but within some ten pixels of the border there are motions of a twentieth to a fifth
# of a pixel, on all four sides, with one level and one iteration as well. A still clip then "moves": where flow is scaled by its
# greatest value, as renderings of flow are, the border is drawn as if it moved fast, and a fit of the camera's motion gets it
# as signal.
#
# Seen: opencv-python-headless 5.0.0.93 and 4.12.0.88, numpy 2.2.6, Python 3.11, x86_64. Output seen (both):
#   levels 3, box window: at the border up to 0.05, inside up to 2e-06
#   levels 3, Gaussian window: at the border up to 0.21, inside up to 2e-06
#   levels 1, Gaussian window: at the border up to 0.15, inside up to 3e-09
#   DIS: 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
for version in 5.0.0.93 4.12.0.88; do
    "$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "opencv-python-headless==$version" numpy==2.2.6
    "$folder/venv/bin/python" - <<'PYTHON'
import sys

import cv2
import numpy as np

print("OpenCV", cv2.__version__)
noise = np.random.default_rng(0).integers(0, 256, (128, 160), dtype=np.uint8)
frame = cv2.GaussianBlur(noise, (0, 0), 2)
as_seen = True
for levels, window, flags in ((3, "box", 0), (3, "Gaussian", cv2.OPTFLOW_FARNEBACK_GAUSSIAN), (1, "Gaussian", cv2.OPTFLOW_FARNEBACK_GAUSSIAN)):
    flow = cv2.calcOpticalFlowFarneback(frame, frame, None, 0.5, levels, 15, 3, 5, 1.2, flags)
    length = np.hypot(flow[..., 0], flow[..., 1])
    inside = length[40:-40, 40:-40].max()
    print(f"levels {levels}, {window} window: at the border up to {length.max():.2f}, inside up to {inside:.0e}")
    as_seen &= bool(length.max() > 0.05 and inside < 1e-3)
still = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(frame, frame, None)
print(f"DIS: {np.abs(still).max():g}")
sys.exit(not (as_seen and not still.any()))
PYTHON
done
