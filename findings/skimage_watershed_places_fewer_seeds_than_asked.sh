#!/usr/bin/env bash
# scikit-image's watershed takes a number of markers: "the desired number of basins". In a volume of 16 x 112 x 112
# voxels, there is room for any small number of seeds.
#
# One would expect about as many basins as were asked for, as slic gives about its n_segments.
#
# What happens: the seeds lie on a regular grid whose spacing is rounded for each axis alone, and the volume is much shorter
# than wide. 63 asked give 49, 150 give 100, and 200 give 242. Segmentations that are compared "at an equal number of
# segments" are then off by a third, and a sweep over the number goes in jumps.
#
# Seen: scikit-image 0.26.0, numpy 2.4.6, Python 3.11, x86_64. Output seen:
#   15 asked: 16 basins, 40 asked: 36 basins, 50 asked: 49 basins, 63 asked: 49 basins, 80 asked: 64 basins,
#   100 asked: 81 basins, 150 asked: 100 basins, 200 asked: 242 basins
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check scikit-image==0.26.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import importlib.metadata as metadata
import sys

import numpy as np
from skimage.segmentation import watershed

print("scikit-image", metadata.version("scikit-image"))
volume = np.random.default_rng(0).random((16, 112, 112))
found = {asked: int(watershed(volume, markers=asked).max()) for asked in (15, 40, 50, 63, 80, 100, 150, 200)}
print(", ".join(f"{asked} asked: {basins} basins" for asked, basins in found.items()))
sys.exit((found[63], found[150], found[200]) != (49, 100, 242))
PYTHON
